package org.heronbridge.health;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * The highest load of a stretch of time. Instances are taken away only when they were not needed in
 * all of it, so that a load that swings does not take the topology along.
 */
final class LoadMemory {

  private final Duration stretch;
  private final Duration longestGap;
  /** Times and rates; a rate that a later one exceeds is of no use. */
  private final Deque<Entry> entries = new ArrayDeque<>();
  private Instant since;
  private Instant noted;

  /**
   * A memory.
   *
   * @param stretch its length; null: nothing is remembered
   * @param longestGap between two notes; after a longer one nobody knows what the load was
   */
  LoadMemory(Duration stretch, Duration longestGap) {
    this.stretch = stretch;
    this.longestGap = longestGap;
  }

  /**
   * Takes note of a rate that was on offer. None at all, as of a topology that is deactivated or whose
   * source is down, tells nothing of what will be needed.
   */
  void note(Instant now, double ratePerS) {
    if (stretch == null) {
      return;
    }
    if (ratePerS == 0 || noted != null && now.isAfter(noted.plus(longestGap))) {
      forget();
    }
    noted = now;
    if (ratePerS == 0) {
      return;
    }
    since = since == null ? now : since;
    while (!entries.isEmpty() && entries.peekLast().ratePerS <= ratePerS) {
      entries.removeLast();
    }
    entries.addLast(new Entry(now, ratePerS));
    while (entries.peekFirst().at.isBefore(now.minus(stretch))) {
      entries.removeFirst();
    }
  }

  /** Begins anew: the topology needed all that it has. */
  void forget() {
    since = null;
    entries.clear();
  }

  /**
   * Whether the memory is full, and its highest rate will not be forgotten in a moment, which would
   * make two steps of what can be one.
   *
   * @param moment a little part of the stretch
   */
  boolean isFull(Instant now, Duration moment) {
    return since != null && !since.plus(stretch).isAfter(now)
        && !entries.peekFirst().at.isBefore(now.minus(stretch).plus(moment));
  }

  /** The highest rate in it. */
  double highestPerS() {
    return entries.isEmpty() ? 0 : entries.peekFirst().ratePerS;
  }

  private static final class Entry {

    private final Instant at;
    private final double ratePerS;

    Entry(Instant at, double ratePerS) {
      this.at = at;
      this.ratePerS = ratePerS;
    }
  }
}
