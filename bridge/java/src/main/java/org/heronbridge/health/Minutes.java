package org.heronbridge.health;

import com.microsoft.dhalion.core.Measurement;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Collections;
import java.util.NavigableSet;
import java.util.TreeSet;

/**
 * The minutes that counters cover, the same for all components, so that their rates can be compared.
 *
 * <p>Heron counts by the minute. In what the Tracker tells, minutes of two counters begin nearly at the
 * same second, but for the first of each, which begins with the first number told
 * (tmetrics-collector.cpp, TimeBucket). All are put on one grid, which ends with the newest. That one
 * may not be full and is left out; so are those before a spout emitted anything, which may be from
 * before the topology ran.
 */
final class Minutes {

  static final long LENGTH_S = Duration.ofMinutes(1).getSeconds();

  private final long newest;
  private final NavigableSet<Long> covered = new TreeSet<>();

  /**
   * Minutes.
   *
   * @param measurements of all components, with times by the minute
   */
  Minutes(Collection<Measurement> measurements) {
    newest = measurements.stream()
        .mapToLong(measurement -> measurement.instant().getEpochSecond()).max().orElse(0);
    long first = Long.MAX_VALUE;
    for (Measurement measurement : measurements) {
      long minute = of(measurement.instant());
      covered.add(minute);
      if (measurement.type().startsWith(LoadSensor.EMITTED) && measurement.value() > 0) {
        first = Math.min(first, minute);
      }
    }
    covered.remove(newest);
    if (first != Long.MAX_VALUE) {
      covered.headSet(first).clear();
    }
  }

  /** The minute on the grid that is next to a time, as the second at which it begins. */
  long of(Instant instant) {
    long back = newest - instant.getEpochSecond();
    return newest - Math.round((double) back / LENGTH_S) * LENGTH_S;
  }

  /** Those that are covered, as seconds at which they begin. */
  NavigableSet<Long> covered() {
    return Collections.unmodifiableNavigableSet(covered);
  }

  /** Seconds that are covered. */
  double coveredS() {
    return (double) covered.size() * LENGTH_S;
  }
}
