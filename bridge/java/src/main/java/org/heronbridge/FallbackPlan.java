package org.heronbridge;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Heron's own plan, made in a thread of its own while the bridge is being connected. */
final class FallbackPlan {

  private final String className;
  private final DaemonTask<PackingPlan> task;
  private volatile long tookMs;

  private FallbackPlan(
      String className, Config config, TopologyAPI.Topology topology, PackingTask packingTask) {
    this.className = className;
    FallbackPacker packer = new FallbackPacker(className, config, topology);
    TimeBudget watch = new TimeBudget(0);
    this.task = DaemonTask.start("heron-bridge-fallback", () -> {
      try {
        return packer.plan(packingTask);
      } finally {
        tookMs = watch.spentMs();
      }
    });
  }

  /** Starts the fallback class, or returns null when none is configured. */
  static FallbackPlan start(
      String className, Config config, TopologyAPI.Topology topology, PackingTask packingTask) {
    return className.equals(PluginSettings.NONE)
        ? null : new FallbackPlan(className, config, topology, packingTask);
  }

  /**
   * Waits for the plan.
   *
   * @param ms how long, in milliseconds
   * @throws TimeoutException when it is not there yet
   * @throws ExecutionException when the class failed; the cause is what it threw
   */
  PackingPlan await(long ms) throws TimeoutException, ExecutionException, InterruptedException {
    return task.get(ms, TimeUnit.MILLISECONDS);
  }

  /** Gives up; a thread that listens to interrupts ends. */
  void abandon() {
    task.cancel(true);
  }

  String className() {
    return className;
  }

  /** Name of the class without its package. */
  String name() {
    return className.substring(className.lastIndexOf('.') + 1);
  }

  /** Milliseconds that the class needed, once it is done. */
  long tookMs() {
    return tookMs;
  }
}
