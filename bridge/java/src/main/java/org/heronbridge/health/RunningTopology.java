package org.heronbridge.health;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.proto.system.PackingPlans;
import com.twitter.heron.spi.statemgr.SchedulerStateManagerAdaptor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.heronbridge.AdviceClient;
import org.heronbridge.NoAdviceException;
import org.heronbridge.wire.Bolt;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InputStream;
import org.heronbridge.wire.InstancePlan;
import org.heronbridge.wire.OutputStream;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.Spout;
import org.heronbridge.wire.StreamId;
import org.heronbridge.wire.Topology;

/** A topology and the plan that it runs with, as the state manager has them. */
final class RunningTopology {

  private final Topology topology;
  private final PackingPlan plan;
  private final PackingPlans.PackingPlan heronPlan;
  private final SortedMap<String, Integer> parallelism = new TreeMap<>();
  private final Map<Integer, String> components = new HashMap<>();

  private RunningTopology(
      Topology topology, PackingPlan plan, PackingPlans.PackingPlan heronPlan) {
    this.topology = topology;
    this.plan = plan;
    this.heronPlan = heronPlan;
    for (ContainerPlan container : plan.getContainerPlansList()) {
      for (InstancePlan instance : container.getInstancePlansList()) {
        parallelism.merge(instance.getComponentName(), 1, Integer::sum);
        components.put(instance.getTaskId(), instance.getComponentName());
      }
    }
  }

  /**
   * Asks the state manager.
   *
   * <p>Not Heron's {@code PackingPlanProvider}: that one keeps a plan until somebody in the same
   * process replaces it, and an operator's {@code heron update} is made elsewhere.
   *
   * @throws NoAdviceException when the topology or its plan is not there
   */
  static RunningTopology read(SchedulerStateManagerAdaptor stateManager, String name)
      throws NoAdviceException {
    TopologyAPI.Topology topology = stateManager.getTopology(name);
    PackingPlans.PackingPlan plan = stateManager.getPackingPlan(name);
    if (topology == null || plan == null) {
      throw new NoAdviceException("the state manager has no "
          + (topology == null ? "topology " : "packing plan of ") + name, null);
    }
    return new RunningTopology(AdviceClient.planningPart(topology),
        AdviceClient.runningPlan(plan.toByteArray()), plan);
  }

  /** What planning needs of it. */
  Topology topology() {
    return topology;
  }

  PackingPlan plan() {
    return plan;
  }

  /** The plan exactly as it was read, which is what the scheduler compares with. */
  PackingPlans.PackingPlan heronPlan() {
    return heronPlan;
  }

  /** Number of instances that run, by component. */
  SortedMap<String, Integer> parallelism() {
    return Collections.unmodifiableSortedMap(parallelism);
  }

  /** Component of each task. */
  Map<Integer, String> components() {
    return Collections.unmodifiableMap(components);
  }

  /** Whether a container of this id runs. */
  boolean hasContainer(int id) {
    return plan.getContainerPlansList().stream().anyMatch(container -> container.getId() == id);
  }

  /** Each spout with the ids of the streams that it emits. */
  Map<String, List<String>> spouts() {
    Map<String, List<String>> spouts = new TreeMap<>();
    for (Spout spout : topology.getSpoutsList()) {
      List<String> streams = new ArrayList<>();
      for (OutputStream output : spout.getOutputsList()) {
        streams.add(output.getStream().getId());
      }
      spouts.put(spout.getComp().getName(), streams);
    }
    return spouts;
  }

  /** Each bolt with the streams that it reads. */
  Map<String, List<StreamId>> bolts() {
    Map<String, List<StreamId>> bolts = new TreeMap<>();
    for (Bolt bolt : topology.getBoltsList()) {
      List<StreamId> streams = new ArrayList<>();
      for (InputStream input : bolt.getInputsList()) {
        streams.add(input.getStream());
      }
      bolts.put(bolt.getComp().getName(), streams);
    }
    return bolts;
  }
}
