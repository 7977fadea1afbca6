package org.heronbridge;

import java.util.Locale;
import org.heronbridge.wire.Candidate;
import org.heronbridge.wire.Prediction;
import org.heronbridge.wire.Report;

/** Puts the bridge's report into the part of a line that an operator reads first. */
final class PredictionSummary {

  /** Name of the candidate that came with the request. */
  private static final String HERON = "heron";

  private PredictionSummary() {
  }

  /**
   * Planner, containers, prediction, and at an update what restarts; each against Heron's own where
   * that is known.
   *
   * @param containers of the plan in the answer
   * @param heronContainers of Heron's own plan; 0: there is none
   */
  static String of(Report report, int containers, int heronContainers) {
    StringBuilder line = new StringBuilder("planner ")
        .append(report.getChosen().isEmpty() ? "unknown" : Sentences.line(report.getChosen()))
        .append(", ").append(DecisionLog.containers(containers));
    if (heronContainers > 0) {
      line.append(" (Heron: ").append(heronContainers).append(')');
    }
    Candidate ours = candidate(report, report.getChosen());
    Candidate theirs = candidate(report, HERON);
    Prediction chosen = ours.getPrediction();
    Prediction heron = theirs.getPrediction();
    if (chosen.hasSustainableLoadFactor()) {
      line.append(", carries ").append(factor(chosen)).append(" the offered load");
      if (heron.hasSustainableLoadFactor()) {
        line.append(" (Heron: ").append(factor(heron)).append(')');
      }
    }
    if (chosen.getTrafficTuplesPerS() > 0) {
      line.append(", cross traffic ").append(percent(chosen));
      if (heron.getTrafficTuplesPerS() > 0) {
        line.append(" (Heron: ").append(percent(heron)).append(')');
      }
    }
    if (ours.hasDisruption()) {
      int restarts = ours.getDisruption().getMovedInstances();
      line.append(", restarts ").append(restarts).append(" running instance")
          .append(restarts == 1 ? "" : "s");
      if (theirs.hasDisruption()) {
        line.append(" (Heron: ").append(theirs.getDisruption().getMovedInstances()).append(')');
      }
    }
    return line.toString();
  }

  private static Candidate candidate(Report report, String planner) {
    for (Candidate candidate : report.getCandidatesList()) {
      if (candidate.getPlanner().equals(planner)) {
        return candidate;
      }
    }
    return Candidate.getDefaultInstance();
  }

  private static String factor(Prediction prediction) {
    return String.format(Locale.ROOT, "%.1fx", prediction.getSustainableLoadFactor());
  }

  private static String percent(Prediction prediction) {
    return Math.round(100 * prediction.getCrossFraction()) + " %";
  }
}
