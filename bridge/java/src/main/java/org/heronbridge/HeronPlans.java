package org.heronbridge;

import com.twitter.heron.common.basics.ByteAmount;
import com.twitter.heron.spi.packing.InstanceId;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.PackingPlanProtoSerializer;
import com.twitter.heron.spi.packing.Resource;
import java.util.LinkedHashSet;
import java.util.Set;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InstancePlan;

/** Turns Heron's plans into messages and back. */
final class HeronPlans {

  private HeronPlans() {
  }

  /** The bytes that Heron itself would store for the plan. */
  static byte[] toBytes(PackingPlan plan) {
    return new PackingPlanProtoSerializer().toProto(plan).toByteArray();
  }

  /** The plan that a complete message describes; see {@link PlanValidator}. */
  static PackingPlan fromMessage(org.heronbridge.wire.PackingPlan message) {
    Set<PackingPlan.ContainerPlan> containers = new LinkedHashSet<>();
    for (ContainerPlan container : message.getContainerPlansList()) {
      Set<PackingPlan.InstancePlan> instances = new LinkedHashSet<>();
      for (InstancePlan instance : container.getInstancePlansList()) {
        instances.add(new PackingPlan.InstancePlan(
            new InstanceId(
                instance.getComponentName(), instance.getTaskId(), instance.getComponentIndex()),
            resource(instance.getResource())));
      }
      containers.add(new PackingPlan.ContainerPlan(
          container.getId(),
          instances,
          resource(container.getRequiredResource()),
          container.hasScheduledResource() ? resource(container.getScheduledResource()) : null));
    }
    return new PackingPlan(message.getId(), containers);
  }

  private static Resource resource(org.heronbridge.wire.Resource message) {
    return new Resource(
        message.getCpu(),
        ByteAmount.fromBytes(message.getRam()),
        ByteAmount.fromBytes(message.getDisk()));
  }
}
