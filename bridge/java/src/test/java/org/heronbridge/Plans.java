package org.heronbridge;

import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingPlan;
import org.heronbridge.driver.DealingPacking;
import org.heronbridge.driver.Topologies;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InstancePlan;
import org.heronbridge.wire.Resource;

/** Plans to answer with, and to start a repack from. */
final class Plans {

  static final long GB = 1L << 30;

  private Plans() {
  }

  /** What the fallback of the tests makes of a word count. */
  static PackingPlan dealt(int words, int counts, int containers) {
    DealingPacking packing = new DealingPacking();
    packing.initialize(
        Config.newBuilder().build(), Topologies.wordCount(words, counts, containers));
    return packing.pack();
  }

  static org.heronbridge.wire.PackingPlan message(PackingPlan plan) {
    try {
      return org.heronbridge.wire.PackingPlan.parseFrom(HeronPlans.toBytes(plan));
    } catch (com.google.protobuf.InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
  }

  static org.heronbridge.wire.PackingPlan plan(ContainerPlan.Builder... containers) {
    org.heronbridge.wire.PackingPlan.Builder plan =
        org.heronbridge.wire.PackingPlan.newBuilder().setId("WordCount123");
    for (ContainerPlan.Builder container : containers) {
      plan.addContainerPlans(container);
    }
    return plan.build();
  }

  /** A container that is large enough for its instances, with a core and 2 GB more. */
  static ContainerPlan.Builder container(int id, InstancePlan.Builder... instances) {
    ContainerPlan.Builder container = ContainerPlan.newBuilder().setId(id);
    double cpu = 1;
    long ram = 2 * GB;
    long disk = 2 * GB;
    for (InstancePlan.Builder instance : instances) {
      container.addInstancePlans(instance);
      cpu += instance.getResource().getCpu();
      ram += instance.getResource().getRam();
      disk += instance.getResource().getDisk();
    }
    return container.setRequiredResource(resource(cpu, ram, disk));
  }

  /** An instance with one core and 1 GB. */
  static InstancePlan.Builder instance(String component, int task, int index) {
    return InstancePlan.newBuilder()
        .setComponentName(component)
        .setTaskId(task)
        .setComponentIndex(index)
        .setResource(resource(1, GB, GB));
  }

  static Resource.Builder resource(double cpu, long ram, long disk) {
    return Resource.newBuilder().setCpu(cpu).setRam(ram).setDisk(disk);
  }

  /** Two words and two counts in two containers, side by side; unlike what the fallback deals. */
  static org.heronbridge.wire.PackingPlan sideBySide() {
    return plan(
        container(1, instance("word", 1, 0), instance("count", 2, 0)),
        container(2, instance("word", 3, 1), instance("count", 4, 1)));
  }
}
