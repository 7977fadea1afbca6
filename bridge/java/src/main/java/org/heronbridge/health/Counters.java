package org.heronbridge.health;

import com.microsoft.dhalion.core.Measurement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Counters of a component, in the minutes that are covered. */
final class Counters {

  private final Minutes minutes;
  /** By metric, instance and minute. */
  private final Map<String, Map<String, Map<Long, Double>>> values = new HashMap<>();
  private final Set<Long> counted = new HashSet<>();

  /**
   * Counters of one component.
   *
   * @param measurements of all components; what is no amount is left out
   * @param counting start of the names of those that count something at all times
   */
  Counters(
      Collection<Measurement> measurements, String component, Minutes minutes, String counting) {
    this.minutes = minutes;
    List<Measurement> inTime = new ArrayList<>();
    for (Measurement measurement : measurements) {
      double value = measurement.value();
      if (measurement.component().equals(component) && value >= 0 && !Double.isInfinite(value)) {
        inTime.add(measurement);
      }
    }
    // Of two in one minute, the first may be the short one that a counter begins with.
    inTime.sort(Comparator.comparing(Measurement::instant));
    for (Measurement measurement : inTime) {
      long minute = minutes.of(measurement.instant());
      if (minutes.covered().contains(minute)) {
        values.computeIfAbsent(measurement.type(), key -> new TreeMap<>())
            .computeIfAbsent(measurement.instance(), key -> new HashMap<>())
            .put(minute, measurement.value());
        if (measurement.type().startsWith(counting)) {
          counted.add(minute);
        }
      }
    }
  }

  /** Whether there is anything to go by. */
  boolean isKnown() {
    return !counted.isEmpty();
  }

  /** Whether there is anything to go by in one of the minutes covered. */
  boolean isKnownIn(long minute) {
    return counted.contains(minute);
  }

  /** What all instances counted in one of the minutes covered, per second. */
  double perSecondIn(long minute, String metric) {
    double sum = 0;
    for (String instance : instances(metric)) {
      sum += value(metric, instance, minute);
    }
    return sum / Minutes.LENGTH_S;
  }

  /** Instances with a value of the metric. */
  Set<String> instances(String metric) {
    return values.getOrDefault(metric, Collections.emptyMap()).keySet();
  }

  /** What the instance counted, per second. */
  double perSecond(String metric, String instance) {
    double sum = 0;
    for (long minute : minutes.covered()) {
      sum += value(metric, instance, minute);
    }
    return isKnown() ? sum / minutes.coveredS() : 0;
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
    for (long minute : minutes.covered()) {
      sum += value(metric, instance, minute) * value(other, instance, minute);
    }
    return sum;
  }

  /** Sum over time of a metric of the instance, where another one has a value. */
  double sumWhere(String metric, String other, String instance) {
    double sum = 0;
    for (long minute : minutes.covered()) {
      sum += value(other, instance, minute) > 0 ? value(metric, instance, minute) : 0;
    }
    return sum;
  }

  private double value(String metric, String instance, long minute) {
    return values.getOrDefault(metric, Collections.emptyMap())
        .getOrDefault(instance, Collections.emptyMap())
        .getOrDefault(minute, 0.0);
  }
}
