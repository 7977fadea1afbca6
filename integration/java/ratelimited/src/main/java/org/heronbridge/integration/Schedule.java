package org.heronbridge.integration;

/**
 * When the tuples of a source are due, and what became of them: a token bucket.
 *
 * <p>A source that was not asked for tuples for less than {@link #ALLOWANCE_S} catches up. What was
 * due beyond that is held back for good, as with a source of fixed rate that was stopped: it counts
 * as held and is never emitted. Always due = emitted + held + what the bucket has.
 */
final class Schedule {
  static final double ALLOWANCE_S = 0.1;

  private final double perSecond;
  private double factor;
  private boolean stopped;
  private long lastNanos = System.nanoTime();
  private double due;
  private double held;
  private double tokens;

  Schedule(double perSecond, double factor) {
    this.perSecond = perSecond;
    this.factor = factor;
  }

  synchronized void setFactor(double newFactor) {
    advance();
    factor = newFactor;
  }

  synchronized void stop() {
    advance();
    stopped = true;
    tokens = 0;
  }

  /** Takes one tuple that is due; false if none is. */
  synchronized boolean take() {
    advance();
    if (stopped || tokens < 1) {
      return false;
    }
    tokens -= 1;
    return true;
  }

  /** Until the next tuple is due. */
  synchronized long nanosToNext() {
    return (long) Math.max(0, 1e9 * (1 - tokens) / (perSecond * factor));
  }

  synchronized double due() {
    advance();
    return due;
  }

  synchronized double held() {
    advance();
    return held;
  }

  /** Whether tuples are being held back at this moment. */
  synchronized boolean holding() {
    advance();
    return tokens >= depth();
  }

  private double depth() {
    return 1 + perSecond * factor * ALLOWANCE_S;
  }

  private void advance() {
    long now = System.nanoTime();
    if (!stopped) {
      double more = (now - lastNanos) / 1e9 * perSecond * factor;
      due += more;
      tokens += more;
      double over = tokens - depth();
      if (over > 0) {
        held += over;
        tokens = depth();
      }
    }
    lastNanos = now;
  }
}
