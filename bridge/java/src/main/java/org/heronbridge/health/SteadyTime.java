package org.heronbridge.health;

import java.time.Duration;
import java.time.Instant;

/**
 * Time that never runs backward, for what has to be waited for. A clock that is set back by some hours
 * would keep the policy from its work for as long.
 */
final class SteadyTime {

  private Instant last = Instant.MIN;
  private Duration ahead = Duration.ZERO;

  /** The time for what a clock shows now. */
  Instant of(Instant clock) {
    if (clock.isBefore(last)) {
      ahead = ahead.plus(Duration.between(clock, last));
    }
    last = clock;
    return clock.plus(ahead);
  }

  /** What the clock will show at a time. */
  Instant onClock(Instant time) {
    return time.minus(ahead);
  }
}
