package org.heronbridge;

import com.twitter.heron.spi.packing.PackingPlan;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/** What Heron asks for. */
final class PackingTask {

  private final PackingPlan currentPlan;
  private final int containerCount;
  private final Map<String, Integer> deltas;

  private PackingTask(PackingPlan currentPlan, int containerCount, Map<String, Integer> deltas) {
    this.currentPlan = currentPlan;
    this.containerCount = containerCount;
    this.deltas = deltas;
  }

  /** A plan for a topology that does not run yet. */
  static PackingTask pack() {
    return new PackingTask(null, 0, Collections.<String, Integer>emptyMap());
  }

  /**
   * A plan that follows another.
   *
   * @param currentPlan the plan that runs
   * @param containerCount wanted number of containers; 0: not stated
   * @param deltas change of parallelism per component
   */
  static PackingTask repack(
      PackingPlan currentPlan, int containerCount, Map<String, Integer> deltas) {
    return new PackingTask(currentPlan, containerCount, new HashMap<>(deltas));
  }

  boolean isRepack() {
    return currentPlan != null;
  }

  /** The plan that runs; null unless this is a repack. */
  PackingPlan currentPlan() {
    return currentPlan;
  }

  /** Wanted number of containers; 0: not stated. */
  int containerCount() {
    return containerCount;
  }

  Map<String, Integer> deltas() {
    return Collections.unmodifiableMap(deltas);
  }

  String name() {
    return isRepack() ? "repack" : "pack";
  }
}
