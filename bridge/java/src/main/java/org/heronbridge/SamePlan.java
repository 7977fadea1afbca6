package org.heronbridge;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.PackingPlan;

/** Tells whether two messages describe one plan, in whatever order they list it. */
final class SamePlan {

  private SamePlan() {
  }

  static boolean isSame(PackingPlan one, PackingPlan other) {
    return one.getId().equals(other.getId())
        && one.getContainerPlansCount() == other.getContainerPlansCount()
        && byId(one).equals(byId(other));
  }

  private static Map<Integer, Object> byId(PackingPlan plan) {
    Map<Integer, Object> containers = new HashMap<>();
    for (ContainerPlan container : plan.getContainerPlansList()) {
      Map<String, Object> content = new HashMap<>();
      content.put("instances", new HashSet<>(container.getInstancePlansList()));
      content.put("number", container.getInstancePlansCount());
      content.put("required", container.getRequiredResource());
      content.put("scheduled", container.getScheduledResource());
      containers.put(container.getId(), content);
    }
    return containers;
  }
}
