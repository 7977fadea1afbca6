package org.heronbridge;

import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;

/**
 * Says in one line what became of a request: at INFO when all went as configured, at WARNING when
 * Heron's own plan had to step in. Goes to {@code java.util.logging}, never to stdout, which Heron
 * reads. A log that fails changes nothing.
 */
final class DecisionLog {

  private static final Logger LOG = Logger.getLogger(BridgePacking.class.getName());

  private final String start;
  private final TimeBudget watch;

  /**
   * A log for one request.
   *
   * @param taskName pack or repack
   * @param watch counts the time since Heron called
   */
  DecisionLog(String taskName, String topologyName, TimeBudget watch) {
    this.start = taskName + " " + topologyName;
    this.watch = watch;
  }

  /** The bridge's plan goes to Heron. */
  void used(String summary, String fallbackFailure) {
    write(Level.INFO, start + ": " + summary
        + (fallbackFailure == null ? "" : ", " + fallbackFailure) + time());
  }

  /** The bridge's plan is only logged. */
  void shadowed(String summary, String fallbackName, int containers) {
    write(Level.INFO, start + " (shadow): the bridge has " + summary + "; used: " + fallbackName
        + "'s " + containers(containers) + time());
  }

  /** The bridge was not to be asked. */
  void off(String fallbackName, int containers) {
    write(Level.INFO, start + " (off): " + fallbackName + ", " + containers(containers) + time());
  }

  /** The bridge's plan cannot be used. */
  void fellBack(String fallbackName, int containers, String why, String advice) {
    write(Level.WARNING, start + ": planner " + fallbackName + " (fallback), "
        + containers(containers) + time() + ", because " + why + advice);
  }

  void unknownKeys(List<String> keys) {
    if (!keys.isEmpty()) {
      write(Level.WARNING, start + ": ignored, because there is no such key: "
          + String.join(", ", keys));
    }
  }

  static void settingLeftOut(String key, Throwable why) {
    write(Level.WARNING, key + " is not sent: " + Sentences.of(why));
  }

  static void closeFailed(Throwable why) {
    write(Level.WARNING, "close failed: " + Sentences.of(why));
  }

  /** A number of containers in words. */
  static String containers(int number) {
    return number == 1 ? "1 container" : number + " containers";
  }

  private String time() {
    return ", " + watch.spentMs() + " ms";
  }

  private static void write(Level level, String line) {
    try {
      LOG.logp(level, BridgePacking.class.getName(), null, "heron-bridge: " + line);
    } catch (Throwable t) {
      // A handler that throws, or no memory for a line: the plan matters more.
    }
  }
}
