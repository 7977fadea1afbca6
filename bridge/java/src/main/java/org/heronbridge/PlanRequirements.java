package org.heronbridge;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.heronbridge.wire.Component;
import org.heronbridge.wire.Config;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InstancePlan;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.Resource;
import org.heronbridge.wire.Topology;

/**
 * What a plan for one request has to fulfil, drawn from the topology, the plan that runs and the
 * fallback's plan.
 *
 * <p>The fallback's plan widens two limits: what Heron itself would deploy is not refused. RAM of an
 * instance may be as low as the topology or the system configuration states, or as that plan or the
 * running one has it; a container may be as large as theirs.
 */
final class PlanRequirements {

  private final String topologyId;
  private final Map<String, Integer> counts;
  private final PackingPlan current;
  private final int containerCount;
  private final SchedulerRules schedulerRules;
  private final Map<String, Long> lowestRam = new HashMap<>();
  private double cpuLimit = Double.POSITIVE_INFINITY;
  private double ramLimit = Double.POSITIVE_INFINITY;
  private double diskLimit = Double.POSITIVE_INFINITY;

  /**
   * Requirements of a request.
   *
   * @param topology as Heron passes it
   * @param current the plan that runs; null for a fresh pack
   * @param deltas change of parallelism per component
   * @param containerCount stated number of containers; 0: not stated
   * @param fallback Heron's own plan; null when there is none
   * @param defaultRam bytes that an instance gets unless stated; 0: not known
   * @param containersFree whether size and number of containers are the bridge's to choose
   * @param schedulerRules rules for container ids
   * @throws IllegalArgumentException when the topology states no usable parallelism
   */
  PlanRequirements(
      Topology topology,
      PackingPlan current,
      Map<String, Integer> deltas,
      int containerCount,
      PackingPlan fallback,
      long defaultRam,
      boolean containersFree,
      SchedulerRules schedulerRules) {
    this.topologyId = topology.getId();
    this.current = current;
    this.containerCount = containerCount;
    this.schedulerRules = schedulerRules;
    this.counts = current == null ? statedCounts(topology) : changedCounts(current, deltas);
    readRam(topology, defaultRam);
    if (!containersFree) {
      readContainerSize(topology);
    }
    widenBy(current);
    widenBy(fallback);
  }

  String topologyId() {
    return topologyId;
  }

  /** Wanted number of instances per component; none is zero. */
  Map<String, Integer> counts() {
    return counts;
  }

  boolean isRepack() {
    return current != null;
  }

  /** Stated number of containers; 0: not stated. */
  int containerCount() {
    return containerCount;
  }

  SchedulerRules schedulerRules() {
    return schedulerRules;
  }

  /** Ids of the containers that run; null on a fresh pack. */
  Set<Integer> currentContainerIds() {
    if (current == null) {
      return null;
    }
    Set<Integer> ids = new HashSet<>();
    for (ContainerPlan container : current.getContainerPlansList()) {
      ids.add(container.getId());
    }
    return ids;
  }

  /** The least RAM in bytes that somebody asked for or uses; {@link Long#MAX_VALUE}: nobody said. */
  long lowestRam(String component) {
    return lowestRam.getOrDefault(component, Long.MAX_VALUE);
  }

  /** Cores that a container may have at most. */
  double cpuLimit() {
    return cpuLimit;
  }

  /** Bytes of RAM that a container may have at most. */
  double ramLimit() {
    return ramLimit;
  }

  /** Bytes of disk that a container may have at most. */
  double diskLimit() {
    return diskLimit;
  }

  private static Map<String, Integer> statedCounts(Topology topology) {
    Map<String, Integer> counts = new TreeMap<>();
    topology.getSpoutsList().forEach(spout -> addStated(counts, spout.getComp()));
    topology.getBoltsList().forEach(bolt -> addStated(counts, bolt.getComp()));
    return counts;
  }

  private static void addStated(Map<String, Integer> counts, Component component) {
    String text = value(component.getConfig(), TopologyTrimmer.PARALLELISM);
    try {
      int count = Integer.parseInt(text.trim());
      if (count > 0) {
        counts.put(component.getName(), count);
      }
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("component " + component.getName() + " has "
          + TopologyTrimmer.PARALLELISM + " '" + text + "', which is no whole number", e);
    }
  }

  private static Map<String, Integer> changedCounts(
      PackingPlan current, Map<String, Integer> deltas) {
    Map<String, Integer> counts = new TreeMap<>();
    for (ContainerPlan container : current.getContainerPlansList()) {
      for (InstancePlan instance : container.getInstancePlansList()) {
        counts.merge(instance.getComponentName(), 1, Integer::sum);
      }
    }
    deltas.forEach((component, delta) -> counts.merge(component, delta, Integer::sum));
    counts.values().removeIf(count -> count == 0);
    return counts;
  }

  private void readRam(Topology topology, long defaultRam) {
    if (defaultRam > 0) {
      counts.keySet().forEach(component -> lowestRam.put(component, defaultRam));
    }
    // "component:bytes,component:bytes"
    for (String pair : value(topology.getTopologyConfig(), TopologyTrimmer.RAM_MAP).split(",")) {
      int colon = pair.lastIndexOf(':');
      if (colon > 0) {
        double bytes = number(pair.substring(colon + 1));
        if (bytes > 0) {
          lowestRam.merge(pair.substring(0, colon).trim(), (long) bytes, Math::min);
        }
      }
    }
  }

  private void readContainerSize(Topology topology) {
    Config config = topology.getTopologyConfig();
    cpuLimit = limit(config, TopologyTrimmer.CONTAINER_CPU);
    ramLimit = limit(config, TopologyTrimmer.CONTAINER_RAM);
    diskLimit = limit(config, TopologyTrimmer.CONTAINER_DISK);
    // Heron's own packers round the cores of a container to a whole number.
    cpuLimit += 0.5;
  }

  private static double limit(Config config, String key) {
    double stated = number(value(config, key));
    return stated > 0 ? stated : Double.POSITIVE_INFINITY;
  }

  private void widenBy(PackingPlan plan) {
    if (plan == null) {
      return;
    }
    for (ContainerPlan container : plan.getContainerPlansList()) {
      Resource size = container.getRequiredResource();
      cpuLimit = Math.max(cpuLimit, size.getCpu());
      ramLimit = Math.max(ramLimit, size.getRam());
      diskLimit = Math.max(diskLimit, size.getDisk());
      for (InstancePlan instance : container.getInstancePlansList()) {
        lowestRam.merge(instance.getComponentName(), instance.getResource().getRam(), Math::min);
      }
    }
  }

  private static String value(Config config, String key) {
    for (Config.KeyValue entry : config.getKvsList()) {
      if (entry.getKey().equals(key)) {
        return entry.getValue();
      }
    }
    return "";
  }

  /** The number, or NaN. */
  private static double number(String text) {
    try {
      return Double.parseDouble(text.trim());
    } catch (NumberFormatException e) {
      return Double.NaN;
    }
  }
}
