package org.heronbridge;

import java.util.concurrent.TimeUnit;

/** The time that one call may take, counted from the creation of this object. */
final class TimeBudget {

  private final long start = System.nanoTime();
  private final long totalMs;

  TimeBudget(long totalMs) {
    this.totalMs = totalMs;
  }

  /** Milliseconds that have gone by. */
  long spentMs() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
  }

  /** Milliseconds that are left; never negative. */
  long leftMs() {
    return Math.max(0, totalMs - spentMs());
  }
}
