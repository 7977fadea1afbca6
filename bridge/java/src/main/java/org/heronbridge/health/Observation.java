package org.heronbridge.health;

import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.ComponentLoad;
import org.heronbridge.wire.InstanceLoad;
import org.heronbridge.wire.StreamId;
import org.heronbridge.wire.SymptomKind;

/** What was seen of a running topology in one cycle, in the words of the bridge. */
final class Observation {

  /** Times the middle service time of its siblings, from which an instance is called slow. */
  private static final double SLOW = 1.5;
  /** Times what was emitted that may have been on offer, as the bridge takes it. */
  private static final double LARGEST_STEP = 2;
  private static final double NS = 1e-9;
  private static final double MS = 1e-3;

  private final RunningTopology running;
  private final Minutes minutes;
  private final Map<String, ComponentLoad.Builder> components = new TreeMap<>();
  private final SortedSet<String> uncounted = new TreeSet<>();
  private final Map<Integer, InstanceLoad.Builder> instances = new TreeMap<>();
  private final List<org.heronbridge.wire.Symptom> symptoms = new ArrayList<>();
  private final SortedSet<String> bottlenecks = new TreeSet<>();
  private final Map<Counters, String> emitted = new LinkedHashMap<>();
  private double emittedPerS;
  private double unhinderedPerS;
  private double heldBackShare;

  /**
   * An observation.
   *
   * @param running the topology and the plan with which it was made
   * @param load measurements of {@link LoadSensor}
   * @param measurements those of Heron's sensors
   */
  Observation(
      RunningTopology running,
      Collection<Measurement> load,
      Collection<Measurement> measurements,
      Collection<Symptom> found,
      Collection<Diagnosis> diagnoses) {
    this.running = running;
    this.minutes = new Minutes(load);
    running.spouts().forEach((spout, streams) -> readSpout(load, spout, streams));
    running.bolts().forEach((bolt, streams) -> readBolt(load, bolt, streams));
    readBackPressure(load, measurements);
    readSymptoms(found, diagnoses);
  }

  /**
   * Spouts of which no counter is known, and instances of which nothing is, as of a container whose
   * metrics manager is gone: what the others count is not the load.
   */
  SortedSet<String> uncounted() {
    return Collections.unmodifiableSortedSet(uncounted);
  }

  /** Components that hold the spouts back. */
  SortedSet<String> bottlenecks() {
    return Collections.unmodifiableSortedSet(bottlenecks);
  }

  /** Symptoms of a topology that does not keep up; empty when it does. */
  List<org.heronbridge.wire.Symptom> symptoms() {
    return Collections.unmodifiableList(symptoms);
  }

  /** Tuples per second that the spouts would emit if nothing held them back, as far as is known. */
  double offeredPerS() {
    return emittedPerS / Math.max(1 - heldBackShare, 1 / LARGEST_STEP);
  }

  /**
   * What the spouts emitted per second, in the busiest minute in which nothing held them back; 0 where
   * that is less than what they emitted on average, so that more must be on offer by now.
   *
   * <p>Buffers take minutes to fill with Heron's own water marks. Until then spouts emit what is on
   * offer, which the share of time in back-pressure does not tell.
   */
  double unhinderedPerS() {
    return unhinderedPerS >= emittedPerS ? unhinderedPerS : 0;
  }

  /**
   * Bolts of which one instance less would still carry a rate.
   *
   * @param ratePerS over all spouts
   * @param headroom share of capacity that shall stay free
   */
  List<org.heronbridge.wire.Symptom> overProvisioned(double ratePerS, double headroom) {
    List<org.heronbridge.wire.Symptom> found = new ArrayList<>();
    double growth = emittedPerS > 0 ? Math.max(1, ratePerS / emittedPerS) : 1;
    for (String bolt : running.bolts().keySet()) {
      ComponentLoad.Builder load = components.get(bolt);
      int number = running.parallelism().getOrDefault(bolt, 0);
      if (load != null && load.hasServiceS() && number > 1 && load.getTuplesPerS() > 0
          && load.getTuplesPerS() * growth * load.getServiceS() <= (number - 1) * (1 - headroom)) {
        found.add(org.heronbridge.wire.Symptom.newBuilder()
            .setKind(SymptomKind.OVER_PROVISIONED).setComponent(bolt).build());
      }
    }
    return found;
  }

  /**
   * Adds what was observed of components and instances.
   *
   * @param profiled whether a profile tells of the time per tuple of spouts, which Heron does not
   *     measure, and of bolts that had nothing to do. Without one, neither is taken for a limit: a
   *     spout has just emitted what it emitted.
   */
  void addTo(AdviseRequest.Builder request, boolean profiled) {
    for (Map.Entry<String, ComponentLoad.Builder> component : components.entrySet()) {
      ComponentLoad.Builder load = component.getValue().clone();
      boolean untold = running.spouts().containsKey(component.getKey())
          || load.getTuplesPerS() == 0;
      if (untold && !load.hasServiceS() && !profiled) {
        load.setServiceS(0);
      }
      request.addComponents(load);
    }
    instances.values().forEach(request::addInstances);
  }

  /** Symptoms in words. */
  static String words(List<org.heronbridge.wire.Symptom> symptoms) {
    List<String> words = new ArrayList<>();
    for (org.heronbridge.wire.Symptom symptom : symptoms) {
      String text = symptom.getKind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
      if (!symptom.getComponent().isEmpty()) {
        text += " at " + symptom.getComponent();
      }
      if (symptom.getKind() == SymptomKind.BACK_PRESSURE) {
        text += " (" + Math.round(symptom.getBackPressureShare() * 100) + " % of the time)";
      }
      words.add(text);
    }
    return String.join(", ", words);
  }

  private void readSpout(Collection<Measurement> load, String spout, List<String> streams) {
    Counters counters = new Counters(load, spout, minutes, LoadSensor.EMITTED);
    // A spout's base tuple is one of its busiest stream.
    String busiest = null;
    for (String stream : streams) {
      String metric = LoadSensor.EMITTED + stream;
      if (busiest == null || counters.perSecond(metric) > counters.perSecond(busiest)) {
        busiest = metric;
      }
    }
    if (busiest == null || !counters.isKnown()) {
      uncounted.add(spout);
      return;
    }
    readSilent(counters, spout);
    double rate = counters.perSecond(busiest);
    emittedPerS += rate;
    emitted.put(counters, busiest);
    components.put(spout, ComponentLoad.newBuilder().setComponent(spout).setTuplesPerS(rate));
    for (String id : counters.instances(busiest)) {
      instance(spout, id).setTuplesPerS(counters.perSecond(busiest, id));
    }
  }

  private void readBolt(Collection<Measurement> measured, String bolt, List<StreamId> streams) {
    Counters counters = new Counters(measured, bolt, minutes, LoadSensor.EXECUTED);
    if (!counters.isKnown()) {
      return;
    }
    readSilent(counters, bolt);
    double rate = 0;
    double spentNs = 0;
    double tuples = 0;
    Map<String, double[]> byInstance = new HashMap<>();
    for (StreamId stream : streams) {
      String suffix = stream.getComponentName() + "/" + stream.getId();
      String executed = LoadSensor.EXECUTED + suffix;
      String latency = LoadSensor.EXECUTE_NS + suffix;
      for (String id : counters.instances(executed)) {
        double[] sums = byInstance.computeIfAbsent(id, key -> new double[3]);
        sums[0] += counters.perSecond(executed, id);
        sums[1] += counters.product(executed, latency, id);
        sums[2] += counters.sumWhere(executed, latency, id);
      }
    }
    for (Map.Entry<String, double[]> entry : byInstance.entrySet()) {
      double[] sums = entry.getValue();
      rate += sums[0];
      spentNs += sums[1];
      tuples += sums[2];
      InstanceLoad.Builder instance = instance(bolt, entry.getKey());
      instance.setTuplesPerS(sums[0]);
      if (sums[2] > 0) {
        instance.setServiceS(sums[1] / sums[2] * NS);
      }
    }
    ComponentLoad.Builder load =
        ComponentLoad.newBuilder().setComponent(bolt).setTuplesPerS(rate);
    if (tuples > 0) {
      load.setServiceS(spentNs / tuples * NS);
    }
    components.put(bolt, load);
  }

  private void readSilent(Counters counters, String component) {
    Set<Integer> telling = new HashSet<>();
    for (String id : counters.instances(LoadSensor.UPTIME_S)) {
      if (counters.perSecond(LoadSensor.UPTIME_S, id) > 0) {
        telling.add(HeronHealth.task(id));
      }
    }
    // Instances of other languages do not tell it.
    if (telling.isEmpty()) {
      return;
    }
    running.components().forEach((task, name) -> {
      if (name.equals(component) && !telling.contains(task)) {
        uncounted.add("task " + task + " of " + component);
      }
    });
  }

  private void readBackPressure(
      Collection<Measurement> load, Collection<Measurement> measurements) {
    Counters managers =
        new Counters(load, LoadSensor.STREAM_MANAGERS, minutes, LoadSensor.HELD_BACK_MS);
    // Heron's sensor may average over a longer time than the load is measured in.
    boolean counted = managers.isKnown();
    for (String manager : managers.instances(LoadSensor.HELD_BACK_MS)) {
      heldBackShare = Math.min(1, Math.max(
          heldBackShare, managers.perSecond(LoadSensor.HELD_BACK_MS, manager) * MS));
    }
    readUnhindered(managers);
    for (Measurement measurement : measurements) {
      if (measurement.type().equals(HeronHealth.BACK_PRESSURE_MS) && measurement.value() > 0) {
        double share = Math.min(counted ? heldBackShare : 1, measurement.value() * MS);
        heldBackShare = Math.max(heldBackShare, share);
        instance(measurement.component(), measurement.instance()).setBackPressureShare(share);
      }
    }
  }

  private void readUnhindered(Counters managers) {
    for (Long minute : minutes.covered()) {
      // Components tell their counters up to a minute late.
      Long before = minutes.covered().lower(minute);
      Long after = minutes.covered().higher(minute);
      if (after == null || !isFree(managers, minute) || !isFree(managers, after)
          || before != null && !isFree(managers, before)) {
        continue;
      }
      double rate = 0;
      for (Map.Entry<Counters, String> spout : emitted.entrySet()) {
        rate += spout.getKey().perSecondIn(minute, spout.getValue());
      }
      unhinderedPerS = Math.max(unhinderedPerS, rate);
    }
  }

  /** Whether nothing held the spouts back in a minute; not where nobody knows. */
  private static boolean isFree(Counters managers, long minute) {
    return managers.isKnownIn(minute)
        && managers.perSecondIn(minute, LoadSensor.HELD_BACK_MS) == 0;
  }

  private void readSymptoms(Collection<Symptom> found, Collection<Diagnosis> diagnoses) {
    for (Symptom symptom : found) {
      if (symptom.type().equals(HeronHealth.COMPONENT_BACK_PRESSURE)) {
        bottlenecks.addAll(symptom.assignments());
      }
    }
    bottlenecks.retainAll(running.parallelism().keySet());
    for (String component : bottlenecks) {
      symptoms.add(backPressure(component));
    }
    Map<String, SortedSet<Integer>> skewed = new TreeMap<>();
    Map<String, SortedSet<Integer>> slow = new TreeMap<>();
    for (Symptom symptom : found) {
      if (symptom.type().equals(HeronHealth.RATE_SKEW)) {
        assign(symptom.assignments(), skewed);
      }
    }
    for (Diagnosis diagnosis : diagnoses) {
      if (diagnosis.type().equals(HeronHealth.DATA_SKEW)) {
        assign(diagnosis.assignments(), skewed);
      } else if (diagnosis.type().equals(HeronHealth.SLOW_INSTANCE)) {
        assign(diagnosis.assignments(), slow);
      }
    }
    for (String component : bottlenecks) {
      SortedSet<Integer> tasks = slowTasks(component);
      if (!tasks.isEmpty()) {
        slow.computeIfAbsent(component, key -> new TreeSet<>()).addAll(tasks);
      }
    }
    skewed.forEach((component, tasks) -> add(SymptomKind.DATA_SKEW, component, tasks));
    slow.forEach((component, tasks) -> add(SymptomKind.SLOW_INSTANCE, component, tasks));
  }

  /** The share of the component's instances, or all of the held-back time where it is the only one. */
  private org.heronbridge.wire.Symptom backPressure(String component) {
    double share = bottlenecks.size() == 1 ? heldBackShare : 0;
    org.heronbridge.wire.Symptom.Builder symptom = org.heronbridge.wire.Symptom.newBuilder()
        .setKind(SymptomKind.BACK_PRESSURE).setComponent(component);
    for (InstanceLoad.Builder load : instances.values()) {
      if (load.getBackPressureShare() > 0
          && component.equals(running.components().get(load.getTaskId()))) {
        symptom.addTaskIds(load.getTaskId());
        share = Math.max(share, load.getBackPressureShare());
      }
    }
    return symptom.setBackPressureShare(share).build();
  }

  /** Instances that take much longer per tuple than the middle one of the others. */
  private SortedSet<Integer> slowTasks(String component) {
    List<InstanceLoad.Builder> timed = new ArrayList<>();
    for (InstanceLoad.Builder load : instances.values()) {
      if (load.hasServiceS() && component.equals(running.components().get(load.getTaskId()))) {
        timed.add(load);
      }
    }
    timed.sort(Comparator.comparingDouble(InstanceLoad.Builder::getServiceS));
    int middle = (timed.size() - 1) / 2;
    SortedSet<Integer> slow = new TreeSet<>();
    for (int i = 0; i < timed.size() && timed.size() > 1; i++) {
      InstanceLoad.Builder ofOthers = timed.get(middle < i ? middle : middle + 1);
      if (timed.get(i).getServiceS() >= SLOW * ofOthers.getServiceS()) {
        slow.add(timed.get(i).getTaskId());
      }
    }
    return slow;
  }

  private void assign(Collection<String> instanceIds, Map<String, SortedSet<Integer>> to) {
    for (String id : instanceIds) {
      int task = HeronHealth.task(id);
      String component = running.components().get(task);
      if (bottlenecks.contains(component == null ? "" : component)) {
        to.computeIfAbsent(component, key -> new TreeSet<>()).add(task);
      }
    }
  }

  private void add(SymptomKind kind, String component, SortedSet<Integer> tasks) {
    symptoms.add(org.heronbridge.wire.Symptom.newBuilder()
        .setKind(kind).setComponent(component).addAllTaskIds(tasks).build());
  }

  /** What is known of an instance; of one that no longer runs, it is forgotten at once. */
  private InstanceLoad.Builder instance(String component, String id) {
    int task = HeronHealth.task(id);
    return component.equals(running.components().get(task))
        ? instances.computeIfAbsent(task, key -> InstanceLoad.newBuilder().setTaskId(key))
        : InstanceLoad.newBuilder();
  }
}
