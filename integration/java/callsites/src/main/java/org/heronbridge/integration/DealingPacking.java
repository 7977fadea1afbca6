package org.heronbridge.integration;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.common.basics.ByteAmount;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.IRepacking;
import com.twitter.heron.spi.packing.InstanceId;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.Resource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Stands in for a packing class of Heron, none of which is published: deals the instances out like
 * cards, in the order of their names, and starts over at every repack.
 */
public final class DealingPacking implements IPacking, IRepacking {
  private static final Resource INSTANCE =
      new Resource(1.0, ByteAmount.fromGigabytes(1), ByteAmount.fromGigabytes(1));
  private static final Resource PADDING =
      new Resource(1.0, ByteAmount.fromGigabytes(2), ByteAmount.fromGigabytes(12));

  private TopologyAPI.Topology topology;

  @Override
  public void initialize(Config config, TopologyAPI.Topology packed) {
    topology = packed;
  }

  @Override
  public PackingPlan pack() {
    return deal(Parallelism.of(topology), Parallelism.containers(topology));
  }

  @Override
  public PackingPlan repack(PackingPlan current, Map<String, Integer> changes) {
    return repack(current, current.getContainers().size(), changes);
  }

  /** Part of the interface since the SPI is called org.apache.heron. */
  public PackingPlan repack(PackingPlan current, int containers, Map<String, Integer> changes) {
    Map<String, Integer> parallelism = new TreeMap<>(current.getComponentCounts());
    changes.forEach((component, change) -> parallelism.merge(component, change, Integer::sum));
    return deal(parallelism, containers);
  }

  @Override
  public void close() {
    // Nothing is held.
  }

  private PackingPlan deal(Map<String, Integer> parallelism, int containers) {
    Map<Integer, Set<PackingPlan.InstancePlan>> dealt = new HashMap<>();
    int task = 0;
    for (Map.Entry<String, Integer> component : new TreeMap<>(parallelism).entrySet()) {
      for (int index = 0; index < component.getValue(); index++) {
        dealt
            .computeIfAbsent(task % containers + 1, id -> new HashSet<>())
            .add(
                new PackingPlan.InstancePlan(
                    new InstanceId(component.getKey(), ++task, index), INSTANCE));
      }
    }
    if (dealt.size() < containers) {
      throw new PackingException("There are fewer instances than containers");
    }
    Set<PackingPlan.ContainerPlan> plans = new HashSet<>();
    dealt.forEach((id, hand) -> plans.add(new PackingPlan.ContainerPlan(id, hand, size(hand))));
    return new PackingPlan(topology.getId(), plans);
  }

  private static Resource size(Set<PackingPlan.InstancePlan> hand) {
    Resource size = PADDING;
    for (PackingPlan.InstancePlan instance : hand) {
      size = size.plus(instance.getResource());
    }
    return size;
  }
}
