package org.heronbridge;

import com.twitter.heron.spi.packing.PackingPlan;

/** A plan that the bridge gave and that broke no rule. */
final class BridgeAnswer {

  private final PackingPlan plan;
  private final String summary;

  /**
   * An answer.
   *
   * @param plan valid for the request
   * @param summary planner, containers and prediction, for the log
   */
  BridgeAnswer(PackingPlan plan, String summary) {
    this.plan = plan;
    this.summary = summary;
  }

  PackingPlan plan() {
    return plan;
  }

  String summary() {
    return summary;
  }
}
