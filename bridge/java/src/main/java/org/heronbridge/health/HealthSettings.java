package org.heronbridge.health;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Function;
import org.heronbridge.SettingReader;

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
  private static final String INTERVAL = "health.policy.interval.ms";

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
  /** Heron itself reads times as numbers of 32 bits. */
  private static final Duration LONGEST = Duration.ofMillis(Integer.MAX_VALUE);
  private static final String SCALE_DOWN_AFTER = "scale.down.after.ms";
  private static final String NEVER = "never";

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
    SettingReader ofDhalion = new SettingReader(values, "");
    interval = time(ofDhalion, INTERVAL, SHORTEST, LONGEST, "").orElse(DEFAULT_INTERVAL);
    SettingReader ours = new SettingReader(values, PREFIX);
    mode = mode(ours);
    cooldown = time(ours, "cooldown.ms", SHORTEST, LONGEST, "").orElse(DEFAULT_COOLDOWN);
    window = time(ours, "window.ms", SHORTEST_WINDOW, LONGEST_WINDOW, "").orElse(DEFAULT_WINDOW);
    scaleDownAfter = ours.text(SCALE_DOWN_AFTER).equalsIgnoreCase(NEVER) ? null
        : time(ours, SCALE_DOWN_AFTER, SHORTEST, LONGEST, ", or " + NEVER)
            .orElse(DEFAULT_SCALE_DOWN_AFTER);
    headroom = ours.number("headroom", value -> value >= 0 && value <= HIGHEST_HEADROOM,
        "it must be a number from 0 to " + HIGHEST_HEADROOM + ": 0.2 for 20 %")
        .orElse(DEFAULT_HEADROOM);
    probability = ours.number("probability", value -> value >= 0 && value < 1,
        "it must be a number from 0 to below 1, such as 0.9");
    problems.addAll(ofDhalion.problems());
    problems.addAll(ours.problems());
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

  private static Mode mode(SettingReader read) {
    switch (read.text("mode").toLowerCase(Locale.ROOT)) {
      case "":
      case "active":
        return Mode.ACTIVE;
      case "shadow":
        return Mode.SHADOW;
      default:
        read.problem("mode", "it must be active or shadow");
        return Mode.SHADOW;
    }
  }

  private static Optional<Duration> time(
      SettingReader read, String key, Duration least, Duration most, String otherwise) {
    OptionalLong ms = read.milliseconds(key, least.toMillis(), most.toMillis(), otherwise);
    return ms.isPresent() ? Optional.of(Duration.ofMillis(ms.getAsLong())) : Optional.empty();
  }
}
