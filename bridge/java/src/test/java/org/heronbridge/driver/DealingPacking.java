package org.heronbridge.driver;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.common.basics.ByteAmount;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.IRepacking;
import com.twitter.heron.spi.packing.InstanceId;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.Resource;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Deals instances to containers in turn: stands for the Heron class that packed before. */
public class DealingPacking implements IPacking, IRepacking {

  private static final double INSTANCE_CPU = 1;
  private static final ByteAmount INSTANCE_SIZE = ByteAmount.fromGigabytes(1);

  private TopologyAPI.Topology topology;

  @Override
  public void initialize(Config config, TopologyAPI.Topology heronTopology) {
    topology = heronTopology;
  }

  @Override
  public PackingPlan pack() {
    Map<String, Integer> counts = new TreeMap<>();
    for (TopologyAPI.Spout spout : topology.getSpoutsList()) {
      counts.put(spout.getComp().getName(),
          Integer.parseInt(value(spout.getComp().getConfig(), "topology.component.parallelism")));
    }
    for (TopologyAPI.Bolt bolt : topology.getBoltsList()) {
      counts.put(bolt.getComp().getName(),
          Integer.parseInt(value(bolt.getComp().getConfig(), "topology.component.parallelism")));
    }
    return deal(counts, Integer.parseInt(value(topology.getTopologyConfig(), "topology.stmgrs")));
  }

  @Override
  public PackingPlan repack(PackingPlan current, Map<String, Integer> deltas) {
    return repack(current, current.getContainers().size(), deltas);
  }

  /** As in Heron 0.19 and later. */
  public PackingPlan repack(PackingPlan current, int containers, Map<String, Integer> deltas) {
    Map<String, Integer> counts = new TreeMap<>(current.getComponentCounts());
    deltas.forEach((component, delta) -> counts.merge(component, delta, Integer::sum));
    return deal(counts, containers);
  }

  @Override
  public void close() {
  }

  private PackingPlan deal(Map<String, Integer> counts, int containers) {
    Map<Integer, Set<PackingPlan.InstancePlan>> dealt = new HashMap<>();
    int task = 0;
    for (Map.Entry<String, Integer> component : counts.entrySet()) {
      for (int index = 0; index < component.getValue(); index++) {
        dealt.computeIfAbsent(task % containers + 1, id -> new HashSet<>())
            .add(new PackingPlan.InstancePlan(
                new InstanceId(component.getKey(), task + 1, index),
                new Resource(INSTANCE_CPU, INSTANCE_SIZE, INSTANCE_SIZE)));
        task++;
      }
    }
    Set<PackingPlan.ContainerPlan> plans = new HashSet<>();
    dealt.forEach((id, instances) -> plans.add(new PackingPlan.ContainerPlan(id, instances,
        new Resource(instances.size() * INSTANCE_CPU + 1,
            ByteAmount.fromGigabytes(instances.size() + 2),
            ByteAmount.fromGigabytes(instances.size() + 12)))));
    return new PackingPlan(topology.getId(), plans);
  }

  private static String value(TopologyAPI.Config config, String key) {
    for (TopologyAPI.Config.KeyValue entry : config.getKvsList()) {
      if (entry.getKey().equals(key)) {
        return entry.getValue();
      }
    }
    throw new IllegalArgumentException("the topology does not state " + key);
  }
}
