package org.heronbridge.health;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.DoublePredicate;
import java.util.function.Function;

/**
 * What the operator chose of the policy in healthmgr.yaml: the keys under {@code heron.health.bridge.}.
 *
 * <p>A value that makes no sense is described in {@link #problems()}; reading never fails, because an
 * exception would end the health manager.
 */
final class HealthSettings {

  /** What advice is used for. */
  enum Mode {
    /** It is followed. */
    ACTIVE,
    /** It is only logged. */
    SHADOW
  }

  static final String PREFIX = "heron.health.bridge.";
  static final String INTERVAL = "health.policy.interval.ms";

  private static final Duration DEFAULT_INTERVAL = Duration.ofMinutes(1);
  private static final Duration DEFAULT_COOLDOWN = Duration.ofMinutes(10);
  private static final Duration DEFAULT_WINDOW = Duration.ofMinutes(5);
  private static final Duration DEFAULT_SCALE_DOWN_AFTER = Duration.ofHours(1);
  private static final double DEFAULT_HEADROOM = 0.2;
  private static final double HIGHEST_HEADROOM = 0.95;
  /** Heron counts by the minute, and the newest minute is not complete. */
  private static final Duration SHORTEST_WINDOW = Duration.ofMinutes(2);
  /** Heron keeps counters for as long (heron.tmanager.metrics.collector.maximum.interval.min). */
  private static final Duration LONGEST_WINDOW = Duration.ofHours(3);
  private static final Duration SHORTEST = Duration.ofMillis(1);
  private static final Duration LONGEST = Duration.ofMillis(Integer.MAX_VALUE);
  private static final String NEVER = "never";

  private final Function<String, Object> values;
  private final List<String> problems = new ArrayList<>();

  private final Mode mode;
  private final Duration interval;
  private final Duration cooldown;
  private final Duration window;
  private final Duration scaleDownAfter;
  private final double headroom;
  private final OptionalDouble probability;

  /**
   * Reads the settings.
   *
   * @param values value of a key, as YAML reads it; null: not stated
   */
  HealthSettings(Function<String, Object> values) {
    this.values = values;
    mode = readMode();
    interval = readTime(INTERVAL, SHORTEST, LONGEST, DEFAULT_INTERVAL);
    cooldown = readTime(PREFIX + "cooldown.ms", SHORTEST, LONGEST, DEFAULT_COOLDOWN);
    window = readTime(PREFIX + "window.ms", SHORTEST_WINDOW, LONGEST_WINDOW, DEFAULT_WINDOW);
    scaleDownAfter = text(PREFIX + "scale.down.after.ms").equalsIgnoreCase(NEVER)
        ? null
        : readTime(PREFIX + "scale.down.after.ms", SHORTEST, LONGEST, DEFAULT_SCALE_DOWN_AFTER);
    headroom = readShare("headroom", value -> value <= HIGHEST_HEADROOM,
        "to " + HIGHEST_HEADROOM + ": 0.2 for 20 %").orElse(DEFAULT_HEADROOM);
    probability = readShare("probability", value -> value < 1, "to below 1, such as 0.9");
  }

  Mode mode() {
    return mode;
  }

  /** How often the policy looks at the topology. */
  Duration interval() {
    return interval;
  }

  /** The least time between two actions. */
  Duration cooldown() {
    return cooldown;
  }

  /** Over which rates and times are averaged. */
  Duration window() {
    return window;
  }

  /** For how long the load must have been low before instances are taken away; null: never. */
  Duration scaleDownAfter() {
    return scaleDownAfter;
  }

  /** Share of capacity to keep free. */
  double headroom() {
    return headroom;
  }

  /** With which an action must clear the symptom; empty: the prediction decides. */
  OptionalDouble probability() {
    return probability;
  }

  /** Sentences on values that cannot be used; each names the key and the value. */
  List<String> problems() {
    return Collections.unmodifiableList(problems);
  }

  private Mode readMode() {
    switch (text(PREFIX + "mode").toLowerCase(Locale.ROOT)) {
      case "":
      case "active":
        return Mode.ACTIVE;
      case "shadow":
        return Mode.SHADOW;
      default:
        problem(PREFIX + "mode", "it must be active or shadow");
        return Mode.SHADOW;
    }
  }

  private Duration readTime(String key, Duration least, Duration most, Duration otherwise) {
    String text = text(key);
    if (text.isEmpty()) {
      return otherwise;
    }
    try {
      int value = new BigDecimal(text).intValueExact();
      if (value >= least.toMillis() && value <= most.toMillis()) {
        return Duration.ofMillis(value);
      }
    } catch (NumberFormatException e) {
      // no number: the sentence below
    } catch (ArithmeticException e) {
      // a fraction, or beyond any time: the sentence below
    }
    problem(key, "it must be a whole number of milliseconds from " + least.toMillis() + " to "
        + most.toMillis()
        + (key.endsWith("scale.down.after.ms") ? ", or " + NEVER : ""));
    return otherwise;
  }

  private OptionalDouble readShare(String key, DoublePredicate isBelowLimit, String limit) {
    String text = text(PREFIX + key);
    if (text.isEmpty()) {
      return OptionalDouble.empty();
    }
    try {
      double value = Double.parseDouble(text);
      if (value >= 0 && isBelowLimit.test(value)) {
        return OptionalDouble.of(value);
      }
    } catch (NumberFormatException e) {
      // the sentence below
    }
    problem(PREFIX + key, "it must be a number from 0 " + limit);
    return OptionalDouble.empty();
  }

  private void problem(String key, String why) {
    problems.add(key + " is '" + text(key) + "': " + why);
  }

  private String text(String key) {
    Object value = values.apply(key);
    return value == null ? "" : value.toString().trim();
  }
}
