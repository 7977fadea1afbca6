package org.heronbridge.health;

import com.microsoft.dhalion.core.Measurement;
import java.time.Duration;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Counters of a component, and the time that they cover.
 *
 * <p>They come in buckets of a minute, of which the newest may not be full and the oldest may be from
 * before the topology ran. A single one is taken for the whole window.
 */
final class Counters {

  /** By metric, instance and second. */
  private final Map<String, Map<String, NavigableMap<Long, Double>>> values = new HashMap<>();
  private final NavigableSet<Long> covered;
  private final double coveredS;

  private Counters(
      Collection<Measurement> measurements, String component, Duration window, String... counting) {
    NavigableSet<Long> seen = new TreeSet<>();
    long first = Long.MAX_VALUE;
    for (Measurement measurement : measurements) {
      if (measurement.component().equals(component) && !Double.isNaN(measurement.value())) {
        long second = measurement.instant().getEpochSecond();
        values.computeIfAbsent(measurement.type(), key -> new TreeMap<>())
            .computeIfAbsent(measurement.instance(), key -> new TreeMap<>())
            .put(second, measurement.value());
        for (String prefix : counting) {
          if (measurement.type().startsWith(prefix)) {
            seen.add(second);
            first = measurement.value() > 0 ? Math.min(first, second) : first;
          }
        }
      }
    }
    if (seen.size() < 2) {
      covered = seen;
      coveredS = window.toMillis() / 1000.0;
      return;
    }
    long width = Long.MAX_VALUE;
    for (Long second : seen) {
      Long next = seen.higher(second);
      width = next == null ? width : Math.min(width, next - second);
    }
    covered = new TreeSet<>(seen.headSet(seen.last()));
    if (first != Long.MAX_VALUE) {
      long start = first;
      covered.removeIf(second -> second < start);
    }
    coveredS = (double) covered.size() * width;
  }

  /**
   * Counters of one component.
   *
   * @param window for which was asked
   * @param counting starts of the names of those that count something at all times
   */
  static Counters of(
      Collection<Measurement> measurements, String component, Duration window, String... counting) {
    return new Counters(measurements, component, window, counting);
  }

  /** Whether there is anything to go by. */
  boolean isKnown() {
    return !covered.isEmpty() && coveredS > 0;
  }

  /** Starts of the minutes that are covered, in seconds; of a single number, the only one. */
  NavigableSet<Long> covered() {
    return Collections.unmodifiableNavigableSet(covered);
  }

  /** What all instances counted in one of the minutes covered, per second. */
  double perSecondIn(Long minute, String metric) {
    double sum = 0;
    for (String instance : instances(metric)) {
      sum += value(metric, instance, minute);
    }
    return isKnown() ? sum * covered.size() / coveredS : 0;
  }

  /** Instances with a value of the metric. */
  Set<String> instances(String metric) {
    return values.getOrDefault(metric, Collections.emptyMap()).keySet();
  }

  /** What the instance counted, per second. */
  double perSecond(String metric, String instance) {
    double sum = 0;
    for (Long second : covered) {
      sum += value(metric, instance, second);
    }
    return isKnown() ? sum / coveredS : 0;
  }

  /** What all instances counted, per second. */
  double perSecond(String metric) {
    double sum = 0;
    for (String instance : instances(metric)) {
      sum += perSecond(metric, instance);
    }
    return sum;
  }

  /** Sum over time of one metric of the instance times another. */
  double product(String metric, String other, String instance) {
    double sum = 0;
    for (Long second : covered) {
      double value = value(metric, instance, second);
      sum += value > 0 ? value * value(other, instance, second) : 0;
    }
    return sum;
  }

  /** Sum over time of a metric of the instance, where another one has a value. */
  double sumWhere(String metric, String other, String instance) {
    double sum = 0;
    for (Long second : covered) {
      sum += value(other, instance, second) > 0 ? value(metric, instance, second) : 0;
    }
    return sum;
  }

  private double value(String metric, String instance, Long second) {
    return values.getOrDefault(metric, Collections.emptyMap())
        .getOrDefault(instance, Collections.emptyNavigableMap())
        .getOrDefault(second, 0.0);
  }
}
