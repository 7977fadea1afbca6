package org.heronbridge.health;

import java.util.logging.Level;
import java.util.logging.Logger;
import org.heronbridge.Sentences;

/**
 * Says in one line what the policy did or why it did nothing, in the log of the health manager. A
 * sentence that is true of many cycles is said when it becomes true. A log that fails changes nothing.
 */
final class HealthLog {

  private static final Logger LOG = Logger.getLogger(BridgeHealthPolicy.class.getName());

  private final String start;
  private String last = "";

  HealthLog(String topologyName) {
    start = "health " + topologyName + ": ";
  }

  /** Something was done, or decided. */
  void said(String sentence) {
    last = "";
    write(Level.INFO, start + sentence);
  }

  /** As {@link #said}, unless it was the last thing said. */
  void stillSaid(String sentence) {
    once(Level.INFO, sentence);
  }

  /** Something keeps the policy from its work; not repeated while it is the same. */
  void hindered(String sentence) {
    once(Level.WARNING, sentence);
  }

  /** Something failed that will not be tried again by itself. */
  void failed(String sentence) {
    last = "";
    write(Level.WARNING, start + sentence);
  }

  static void listenerFailed(Throwable why) {
    write(Level.WARNING, "a listener of the health manager failed: " + Sentences.of(why));
  }

  private void once(Level level, String sentence) {
    if (!sentence.equals(last)) {
      last = sentence;
      write(level, start + sentence);
    }
  }

  private static void write(Level level, String line) {
    try {
      LOG.logp(level, BridgeHealthPolicy.class.getName(), null,
          "heron-bridge: " + Sentences.withoutBreaks(line));
    } catch (Throwable t) {
      // A handler that throws, or no memory for a line: the health manager matters more.
    }
  }
}
