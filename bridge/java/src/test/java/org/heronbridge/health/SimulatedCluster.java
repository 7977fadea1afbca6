package org.heronbridge.health;

import com.microsoft.dhalion.api.IDetector;
import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.api.MetricsProvider;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.proto.scheduler.Scheduler;
import com.twitter.heron.proto.system.PackingPlans;
import com.twitter.heron.scheduler.client.ISchedulerClient;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.PackingPlanProtoDeserializer;
import com.twitter.heron.spi.packing.PackingPlanProtoSerializer;
import com.twitter.heron.spi.statemgr.SchedulerStateManagerAdaptor;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Collectors;
import org.heronbridge.driver.DealingPacking;
import org.heronbridge.driver.Topologies;

/**
 * A cluster with one topology, {@code word} before {@code count}, as a fluid: in every minute the
 * spouts emit what is on offer or, when some instance of {@code count} gets more than it can take, the
 * share of it at which that one just keeps up. What happened is told by minute, as the Tracker does.
 */
final class SimulatedCluster extends Clock implements MetricsProvider, ISchedulerClient {

  static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
  private static final Duration MINUTE = Duration.ofMinutes(1);
  /** For which an update stops the topology; a little more than Heron's 20 s. */
  private static final Duration PAUSE = Duration.ofMinutes(1);

  final List<Instant> updates = new CopyOnWriteArrayList<>();
  final List<Integer> restarts = new CopyOnWriteArrayList<>();
  final List<Integer> sizes = new CopyOnWriteArrayList<>();
  volatile TopologyAPI.Topology topology;

  /** Tuples per second on offer in a minute. */
  volatile IntToDoubleFunction offeredPerS = minute -> 1000;
  /** Of one tuple at {@code count}. */
  volatile double serviceS = 1e-3;
  /** Of one tuple at {@code count}, where nobody measures it. */
  volatile double unmeasuredS;
  /** Instance of {@code count} that takes this many times longer; 1: none. */
  volatile double slowness = 1;
  /** Whether everything goes to the first instance of {@code count}. */
  volatile boolean global;
  /** Whether one number is told for all the time asked about, as by the metrics cache. */
  volatile boolean cached;
  volatile boolean schedulerWorks = true;
  /** What the scheduler throws; null: nothing. */
  volatile Error schedulerError;
  /** By which the clock is ahead of the time that has gone by. */
  volatile Duration clockOff = Duration.ZERO;
  volatile RuntimeException metricsFailure;
  /** Container of whose instances nothing is told; 0: none. */
  volatile int silentContainer;
  /** Tuples that buffers hold before they are full and the spouts are held back. */
  volatile double buffers;
  private double buffered;

  private volatile Instant now = START;
  private volatile PackingPlans.PackingPlan plan;
  private final NavigableMap<Instant, Minute> minutes = new ConcurrentSkipListMap<>();

  SimulatedCluster(int words, int counts) {
    topology = Topologies.wordCount(words, counts, 2);
    DealingPacking packing = new DealingPacking();
    packing.initialize(Config.newBuilder(false).build(), topology);
    plan = new PackingPlanProtoSerializer().toProto(packing.pack());
    minutes.put(now, minute());
  }

  /** A minute goes by. */
  void advance() {
    now = now.plus(MINUTE);
    minutes.put(now, minute());
  }

  int minutesGone() {
    return (int) Duration.between(START, now).toMinutes();
  }

  PackingPlan runningPlan() {
    return new PackingPlanProtoDeserializer().fromProto(plan);
  }

  int counts() {
    return runningPlan().getComponentCounts().get("count");
  }

  /** Whether spouts are held back now. */
  boolean isHeldBack() {
    return minutes.get(now).heldBackShare > 0.01;
  }

  /** Whether a rate is more than the instances take when it is dealt out evenly. */
  boolean isHeldBackBy(double ratePerS) {
    return ratePerS * serviceS > counts();
  }

  /** The plan with more or fewer instances. */
  PackingPlan scaled(Map<String, Integer> deltas) {
    DealingPacking packing = new DealingPacking();
    packing.initialize(Config.newBuilder(false).build(), topology);
    return packing.repack(runningPlan(), deltas);
  }

  /** As by {@code heron update} of an operator. */
  void deploy(PackingPlan changed) {
    plan = new PackingPlanProtoSerializer().toProto(changed);
  }

  SchedulerStateManagerAdaptor stateManager() {
    return new SchedulerStateManagerAdaptor(null, 5000) {
      @Override
      public TopologyAPI.Topology getTopology(String name) {
        return name.equals("WordCount") ? topology : null;
      }

      @Override
      public PackingPlans.PackingPlan getPackingPlan(String name) {
        return name.equals("WordCount") ? plan : null;
      }
    };
  }

  // What Heron's own parts do, as far as it matters here.

  ISensor backPressureSensor() {
    return new ISensor() {
      private ExecutionContext context;

      @Override
      public void initialize(ExecutionContext executionContext) {
        context = executionContext;
      }

      @Override
      public Collection<Measurement> fetch() {
        List<Measurement> found = new ArrayList<>();
        List<Minute> window = window(Duration.ofMinutes(5));
        for (String id : instances("count")) {
          double share = window.stream()
              .mapToDouble(minute -> minute.heldBackBy.getOrDefault(id, 0.0)).average().orElse(0);
          found.add(new Measurement(
              "count", id, HeronHealth.BACK_PRESSURE_MS, context.checkpoint(), share * 1000));
        }
        return found;
      }
    };
  }

  /** As BackPressureDetector: above 20 ms per second. */
  static IDetector backPressureDetector() {
    return new IDetector() {
      private ExecutionContext context;

      @Override
      public void initialize(ExecutionContext executionContext) {
        context = executionContext;
      }

      @Override
      public Collection<Symptom> detect(Collection<Measurement> measurements) {
        Map<String, Double> byComponent = new HashMap<>();
        for (Measurement measurement : measurements) {
          if (measurement.type().equals(HeronHealth.BACK_PRESSURE_MS)) {
            byComponent.merge(measurement.component(), measurement.value(), Double::sum);
          }
        }
        return byComponent.entrySet().stream().filter(entry -> entry.getValue() > 20)
            .map(entry -> new Symptom(HeronHealth.COMPONENT_BACK_PRESSURE, context.checkpoint(),
                Collections.singletonList(entry.getKey())))
            .collect(Collectors.toList());
      }
    };
  }

  /** As UnderProvisioningDiagnoser, which cannot look at two components at a time. */
  static IDiagnoser underProvisioningDiagnoser() {
    return new IDiagnoser() {
      @Override
      public Collection<Diagnosis> diagnose(Collection<Symptom> symptoms) {
        if (symptoms.stream()
            .filter(s -> s.type().equals(HeronHealth.COMPONENT_BACK_PRESSURE)).count() > 1) {
          throw new IllegalStateException("Multiple back-pressure symptoms case");
        }
        return symptoms.stream().map(symptom ->
            new Diagnosis("UnderProvisioningDiagnoser", symptom.instant(), symptom.assignments()))
            .collect(Collectors.toList());
      }
    };
  }

  @Override
  public Collection<Measurement> getMeasurements(
      Instant until, Duration window, Collection<String> names, Collection<String> components) {
    if (metricsFailure != null) {
      throw metricsFailure;
    }
    List<Measurement> found = new ArrayList<>();
    Instant last = until.minus(clockOff);
    for (Minute minute : minutes.subMap(last.minus(window), false, last, true).values()) {
      for (String component : components) {
        for (String name : names) {
          minute.told(component, name).forEach((id, value) ->
              found.add(new Measurement(component, id, name, minute.at.plus(clockOff), value)));
        }
      }
    }
    found.removeIf(one -> one.instance().startsWith("container_" + silentContainer + "_"));
    return cached ? summed(found, until) : found;
  }

  /** Sums of counters and means of latencies, in the order in which they came. */
  private static List<Measurement> summed(List<Measurement> found, Instant at) {
    Map<List<String>, List<Double>> values = new LinkedHashMap<>();
    for (Measurement one : found) {
      values.computeIfAbsent(List.of(one.component(), one.instance(), one.type()),
          key -> new ArrayList<>()).add(one.value());
    }
    List<Measurement> summed = new ArrayList<>();
    values.forEach((key, all) -> {
      double sum = all.stream().mapToDouble(value -> value).sum();
      summed.add(new Measurement(key.get(0), key.get(1), key.get(2), at,
          key.get(2).contains("latency") ? sum / all.size() : sum));
    });
    return summed;
  }

  @Override
  public boolean updateTopology(Scheduler.UpdateTopologyRequest request) {
    if (!schedulerWorks) {
      updates.add(now);
      return false;
    }
    if (schedulerError != null) {
      updates.add(now);
      throw schedulerError;
    }
    if (!request.getCurrentPackingPlan().equals(plan)) {
      throw new IllegalStateException("the plan in the state manager is another one");
    }
    plan = request.getProposedPackingPlan();
    updates.add(now);
    sizes.add(counts());
    now = now.plus(PAUSE);
    minutes.put(now, Minute.stopped(now));
    return true;
  }

  @Override
  public boolean restartTopology(Scheduler.RestartTopologyRequest request) {
    restarts.add(request.getContainerIndex());
    slowness = 1;
    return true;
  }

  @Override
  public boolean killTopology(Scheduler.KillTopologyRequest request) {
    throw new AssertionError("nobody asks for that");
  }

  @Override
  public Instant instant() {
    return now.plus(clockOff);
  }

  @Override
  public ZoneId getZone() {
    return ZoneOffset.UTC;
  }

  @Override
  public Clock withZone(ZoneId zone) {
    return this;
  }

  private List<Minute> window(Duration length) {
    return new ArrayList<>(minutes.tailMap(now.minus(length), false).values());
  }

  private Minute minute() {
    List<String> ids = instances("count");
    double offered = offeredPerS.applyAsDouble(minutesGone());
    Minute minute = new Minute(now);
    double share = 1;
    for (String id : ids) {
      share = Math.min(share, 1 / (load(ids, id, offered) * service(ids, id)));
    }
    double tooMany = (1 - share) * offered * 60;
    boolean isRoom = share < 1 && buffered + tooMany <= buffers;
    buffered = share < 1 ? Math.min(buffers, buffered + tooMany) : 0;
    minute.heldBackShare = isRoom ? 0 : 1 - share;
    for (String id : ids) {
      minute.executed.put(id, load(ids, id, offered) * share);
      minute.service.put(id, measured(ids, id));
      if (minute.heldBackShare > 0 && 1 / (load(ids, id, offered) * service(ids, id)) <= share) {
        minute.heldBackBy.put(id, minute.heldBackShare);
      }
    }
    for (String id : instances("word")) {
      minute.emitted.put(id, offered * (isRoom ? 1 : share) / instances("word").size());
    }
    return minute;
  }

  private double load(List<String> ids, String id, double offered) {
    return global ? id.equals(ids.get(0)) ? offered : 0 : offered / ids.size();
  }

  private double service(List<String> ids, String id) {
    return unmeasuredS + measured(ids, id);
  }

  private double measured(List<String> ids, String id) {
    return id.equals(ids.get(0)) ? serviceS * slowness : serviceS;
  }

  private List<String> instances(String component) {
    List<String> ids = new ArrayList<>();
    for (PackingPlan.ContainerPlan container : runningPlan().getContainers()) {
      for (PackingPlan.InstancePlan instance : container.getInstances()) {
        if (instance.getComponentName().equals(component)) {
          ids.add("container_" + container.getId() + "_" + component + "_" + instance.getTaskId());
        }
      }
    }
    Collections.sort(ids);
    return ids;
  }

  /** What happened in a minute. */
  private static final class Minute {

    private final Instant at;
    private double heldBackShare;
    private final Map<String, Double> emitted = new HashMap<>();
    private final Map<String, Double> executed = new HashMap<>();
    private final Map<String, Double> service = new HashMap<>();
    private final Map<String, Double> heldBackBy = new HashMap<>();

    Minute(Instant at) {
      this.at = at;
    }

    static Minute stopped(Instant at) {
      return new Minute(at);
    }

    Map<String, Double> told(String component, String name) {
      Map<String, Double> told = new HashMap<>();
      switch (component + " " + name) {
        case "word __emit-count/default":
          emitted.forEach((id, perS) -> told.put(id, perS * 60));
          break;
        case "word __jvm-uptime-secs":
          emitted.forEach((id, perS) -> told.put(id, 3600.0));
          break;
        case "count __jvm-uptime-secs":
          executed.forEach((id, perS) -> told.put(id, 3600.0));
          break;
        case "count __execute-count/word/default":
          executed.forEach((id, perS) -> told.put(id, perS * 60));
          break;
        case "count __execute-latency/word/default":
          service.forEach((id, s) -> told.put(id, s * 1e9));
          break;
        case "__stmgr__ __server/__time_spent_back_pressure_initiated":
          told.put("stmgr-1", heldBackShare * 60_000);
          break;
        default:
          break;
      }
      return told;
    }
  }
}
