package org.heronbridge;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InstancePlan;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.Resource;

/**
 * Decides whether Heron may have a plan. Heron checks next to nothing itself: a task id given twice or
 * a component that is missing would be deployed.
 */
final class PlanValidator {

  /** A JVM instance sets 64 MB of its RAM aside for compiled code and 128 MB for classes. */
  static final long RAM_WITHOUT_HEAP = 192L << 20;

  /** Cores below which a difference is a matter of floating point. */
  private static final double CPU_TOLERANCE = 1e-6;

  private final PlanRequirements required;
  private final Map<String, Integer> counts = new HashMap<>();
  private final SortedSet<Integer> containerIds = new TreeSet<>();
  private final SortedSet<Integer> taskIds = new TreeSet<>();
  private final Map<String, Set<Integer>> indexes = new HashMap<>();

  private PlanValidator(PlanRequirements required) {
    this.required = required;
  }

  /** The first rule that the plan breaks, as a sentence, or null when it breaks none. */
  static String brokenRule(PackingPlan plan, PlanRequirements required) {
    return new PlanValidator(required).check(plan);
  }

  private String check(PackingPlan plan) {
    if (!plan.getId().equals(required.topologyId())) {
      return "the plan is for topology '" + plan.getId() + "', not '" + required.topologyId() + "'";
    }
    if (plan.getContainerPlansCount() == 0) {
      return "the plan has no container";
    }
    for (ContainerPlan container : plan.getContainerPlansList()) {
      String broken = check(container);
      if (broken != null) {
        return broken;
      }
    }
    return checkWhole();
  }

  private String checkWhole() {
    if (!counts.equals(required.counts())) {
      return wrongCount();
    }
    if (!required.isRepack() && taskIds.last() != taskIds.size()) {
      return "task ids of a fresh plan must be 1 to " + taskIds.size() + ", the highest is "
          + taskIds.last();
    }
    if (required.containerCount() > 0 && containerIds.size() != required.containerCount()) {
      return containerIds.size() + " containers where " + required.containerCount() + " were asked for";
    }
    return required.schedulerRules().broken(containerIds, required.currentContainerIds());
  }

  private String wrongCount() {
    for (Map.Entry<String, Integer> asked : required.counts().entrySet()) {
      int got = counts.getOrDefault(asked.getKey(), 0);
      if (got != asked.getValue()) {
        return "component " + asked.getKey() + " has " + got + " instances where " + asked.getValue()
            + " were asked for";
      }
    }
    Set<String> unknown = new TreeSet<>(counts.keySet());
    unknown.removeAll(required.counts().keySet());
    return "the topology has no component " + unknown.iterator().next();
  }

  private String check(ContainerPlan container) {
    int id = container.getId();
    String name = "container " + id;
    if (id < 1) {
      return name + ": ids start at 1";
    }
    if (!containerIds.add(id)) {
      return name + " is there twice";
    }
    if (container.getInstancePlansCount() == 0) {
      return name + " holds no instance";
    }
    Resource size = container.getRequiredResource();
    if (!isAmount(size)) {
      return name + " states no proper size";
    }
    if (container.hasScheduledResource() && !isAmount(container.getScheduledResource())) {
      return name + " states no proper scheduled size";
    }
    double cpu = 0;
    double ram = 0;
    double disk = 0;
    for (InstancePlan instance : container.getInstancePlansList()) {
      String broken = check(instance);
      if (broken != null) {
        return broken;
      }
      cpu += instance.getResource().getCpu();
      ram += instance.getResource().getRam();
      disk += instance.getResource().getDisk();
    }
    if (size.getCpu() < cpu - CPU_TOLERANCE || size.getRam() < ram || size.getDisk() < disk) {
      return name + " is smaller than its instances together";
    }
    if (size.getCpu() > required.cpuLimit() + CPU_TOLERANCE
        || size.getRam() > required.ramLimit()
        || size.getDisk() > required.diskLimit()) {
      return name + " is larger than the topology states";
    }
    return null;
  }

  private String check(InstancePlan instance) {
    String component = instance.getComponentName();
    String name = "instance " + instance.getTaskId() + " of " + component;
    if (!instance.hasTaskId() || !instance.hasComponentIndex()) {
      return "an instance of " + component + " has no task id or no index";
    }
    if (instance.getTaskId() < 1) {
      return name + ": task ids start at 1";
    }
    if (!taskIds.add(instance.getTaskId())) {
      return "task id " + instance.getTaskId() + " is there twice";
    }
    if (instance.getComponentIndex() < 0) {
      return name + ": indexes start at 0";
    }
    if (!indexes.computeIfAbsent(component, key -> new HashSet<>())
        .add(instance.getComponentIndex())) {
      return "index " + instance.getComponentIndex() + " of " + component + " is there twice";
    }
    if (!isAmount(instance.getResource())) {
      return name + " states no proper size";
    }
    long ram = instance.getResource().getRam();
    if (ram <= RAM_WITHOUT_HEAP && ram < required.lowestRam(component)) {
      return name + " has " + ram + " bytes of RAM, too few to start a JVM";
    }
    counts.merge(component, 1, Integer::sum);
    return null;
  }

  private static boolean isAmount(Resource resource) {
    return resource.hasCpu() && resource.hasRam() && resource.hasDisk()
        && resource.getCpu() >= 0 && resource.getCpu() < Double.POSITIVE_INFINITY
        && resource.getRam() >= 0
        && resource.getDisk() >= 0;
  }
}
