package org.heronbridge.health;

import com.microsoft.dhalion.core.Action;
import com.microsoft.dhalion.events.EventHandler;
import com.microsoft.dhalion.events.EventManager;
import com.twitter.heron.healthmgr.common.HealthManagerEvents.ContainerRestart;
import com.twitter.heron.healthmgr.common.HealthManagerEvents.TopologyUpdate;
import com.twitter.heron.proto.scheduler.Scheduler;
import com.twitter.heron.proto.system.PackingPlans;
import com.twitter.heron.scheduler.client.ISchedulerClient;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.PackingPlanProtoSerializer;
import java.time.Instant;
import java.util.Collection;
import java.util.Collections;
import org.heronbridge.NoAdviceException;

/**
 * Has the scheduler do something, and tells the other parts of the health manager that it did; hears
 * from them what other policies did.
 */
final class Deployment {

  private final String topologyName;
  private final ISchedulerClient scheduler;
  private final EventManager events;
  private boolean ours;
  private boolean restartedByOthers;

  Deployment(String topologyName, ISchedulerClient scheduler, EventManager events) {
    this.topologyName = topologyName;
    this.scheduler = scheduler;
    this.events = events;
    events.addEventListener(ContainerRestart.class, new EventHandler<ContainerRestart>() {
      @Override
      public void onEvent(ContainerRestart restart) {
        restartedByOthers |= !ours;
      }
    });
  }

  /**
   * Whether another policy of the health manager restarted a container; told once. What it updates
   * shows in the plan.
   */
  boolean takeRestartByOthers() {
    boolean taken = restartedByOthers;
    restartedByOthers = false;
    return taken;
  }

  /**
   * Deploys a plan in the place of the one that runs. Returns when the topology runs again.
   *
   * @param changed components that the plan changes
   * @throws NoAdviceException when the scheduler does not
   */
  Action update(RunningTopology running, PackingPlan plan, Collection<String> changed, Instant now)
      throws NoAdviceException {
    PackingPlans.PackingPlan proposed = new PackingPlanProtoSerializer().toProto(plan);
    boolean done = scheduler.updateTopology(Scheduler.UpdateTopologyRequest.newBuilder()
        .setCurrentPackingPlan(running.heronPlan())
        .setProposedPackingPlan(proposed)
        .build());
    if (!done) {
      throw new NoAdviceException("the scheduler did not update the topology; see its log", null);
    }
    return announceUpdate(changed, now);
  }

  /** Has Heron's sensors read the plan anew. */
  Action announceUpdate(Collection<String> changed, Instant now) {
    return announced(new TopologyUpdate(now, changed));
  }

  /**
   * Restarts a container.
   *
   * @throws NoAdviceException when the scheduler does not
   */
  Action restart(int containerId, Instant now) throws NoAdviceException {
    boolean done = scheduler.restartTopology(Scheduler.RestartTopologyRequest.newBuilder()
        .setTopologyName(topologyName)
        .setContainerIndex(containerId)
        .build());
    if (!done) {
      throw new NoAdviceException(
          "the scheduler did not restart container " + containerId + "; see its log", null);
    }
    return announced(
        new ContainerRestart(now, Collections.singletonList(String.valueOf(containerId))));
  }

  private <T extends Action> T announced(T done) {
    ours = true;
    try {
      events.onEvent(done);
    } catch (Throwable t) {
      // It is done, whatever a listener makes of it.
      HealthLog.listenerFailed(t);
    } finally {
      ours = false;
    }
    return done;
  }
}
