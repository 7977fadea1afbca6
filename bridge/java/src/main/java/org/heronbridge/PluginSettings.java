package org.heronbridge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/**
 * What the operator chose: the keys under {@code heron.packing.bridge.}.
 *
 * <p>Values may have any type that YAML, {@code --config-property} or the API server gives them. A
 * value that makes no sense is kept out and described in {@link #problems()}; reading never fails.
 */
final class PluginSettings {

  /** What the bridge's answer is used for. */
  enum Mode {
    /** Its plan is used. */
    ACTIVE,
    /** Its plan is only logged. */
    SHADOW,
    /** It is not asked. */
    OFF
  }

  static final String PREFIX = "heron.packing.bridge.";
  static final String DEFAULT_ADDRESS = "localhost:50550";
  static final long DEFAULT_TIMEOUT_MS = 10_000;
  /** Value of a fallback key that means: no fallback, fail instead. */
  static final String NONE = "none";

  private static final long LONGEST_TIMEOUT_MS = 3_600_000;
  private static final Set<String> KEYS = Collections.unmodifiableSet(new HashSet<>(Arrays.asList(
      "address", "timeout.ms", "mode", "fallback.packing", "fallback.repacking", "tls.ca", "tls.cert",
      "tls.key", "token.file", "objective", "target.rate", "profile", "containers", "headroom",
      "probability", "effort", "spread.components")));
  private static final double MOST_HEADROOM = 100;
  private static final Set<String> EFFORTS = Collections.unmodifiableSet(
      new HashSet<>(Arrays.asList("", "quick", "default", "thorough")));

  private final Map<String, Object> values;
  private final SettingReader read;

  private final Mode mode;
  private final BridgeAddress address;
  private final long timeoutMs;
  private final double targetRate;
  private final boolean containersFree;
  private final OptionalDouble headroom;
  private final OptionalDouble probability;
  private final String effort;
  private final Optional<Boolean> spreadComponents;

  private PluginSettings(Map<String, Object> values) {
    this.values = values;
    read = new SettingReader(values::get, PREFIX);
    mode = readMode();
    address = readAddress();
    timeoutMs = read.milliseconds("timeout.ms", 1, LONGEST_TIMEOUT_MS, "").orElse(DEFAULT_TIMEOUT_MS);
    targetRate = read.number("target.rate", value -> value >= 0 && !Double.isInfinite(value),
        "it must be a number of tuples per second").orElse(0);
    containersFree = readContainersFree();
    headroom = read.number("headroom", value -> value >= 0 && value <= MOST_HEADROOM,
        "it must be a number from 0 to 100: 0.2 for 20 % more than the offered load");
    probability = read.number("probability", value -> value > 0 && value < 1,
        "it must be a number above 0 and below 1, such as 0.9");
    effort = readEffort();
    spreadComponents = readSpreadComponents();
    if (text("tls.cert").isEmpty() != text("tls.key").isEmpty()) {
      read.problem(text("tls.cert").isEmpty() ? "tls.cert" : "tls.key",
          "the certificate and its key belong together");
    }
  }

  /**
   * Reads the settings.
   *
   * @param config Heron's whole configuration
   */
  static PluginSettings from(Map<String, Object> config) {
    return new PluginSettings(config);
  }

  /** Our keys, with their prefix. */
  static List<String> keys() {
    List<String> keys = new ArrayList<>();
    for (String key : KEYS) {
      keys.add(PREFIX + key);
    }
    return keys;
  }

  Mode mode() {
    return mode;
  }

  /** Where the bridge listens; null when {@link #problems()} says that it makes no sense. */
  BridgeAddress address() {
    return address;
  }

  /** The address as it was written, for sentences. */
  String addressText() {
    return address == null ? "'" + text("address") + "'" : address.toString();
  }

  /** How long a call may take, in milliseconds. */
  long timeoutMs() {
    return timeoutMs;
  }

  /** Class that makes Heron's own plan, or {@link #NONE}. */
  String fallback(boolean repack) {
    String name = text(repack ? "fallback.repacking" : "fallback.packing");
    if (name.isEmpty()) {
      return HeronSettings.flavour() + ".packing.roundrobin.RoundRobinPacking";
    }
    return name.equalsIgnoreCase(NONE) ? NONE : name;
  }

  /** PEM file with the authorities to trust; empty: not stated. */
  String tlsCa() {
    return text("tls.ca");
  }

  /** PEM file with our certificate; empty: not stated. */
  String tlsCert() {
    return text("tls.cert");
  }

  /** PEM file (PKCS 8) with the key of our certificate; empty: not stated. */
  String tlsKey() {
    return text("tls.key");
  }

  /** File that holds the token to send; empty: none. Read at each call, so it may be replaced. */
  String tokenFile() {
    return text("token.file");
  }

  /** Empty: the bridge's default. */
  String objective() {
    return text("objective");
  }

  /** Tuples per second that the topology shall carry; 0: not stated. */
  double targetRate() {
    return targetRate;
  }

  /** Empty: none. */
  String profile() {
    return text("profile");
  }

  /** {@code fixed}, {@code free}, or empty: not stated. */
  String containers() {
    return text("containers").toLowerCase(Locale.ROOT);
  }

  /** Whether number and size of the containers are the bridge's to choose. */
  boolean containersFree() {
    return containersFree;
  }

  /** Share of load beyond the offered one that a plan should carry; empty: the bridge's default. */
  OptionalDouble headroom() {
    return headroom;
  }

  /** With which a plan should carry that; empty: the bridge's default. */
  OptionalDouble probability() {
    return probability;
  }

  /** {@code quick}, {@code default} or {@code thorough}; empty: the bridge's default. */
  String effort() {
    return effort;
  }

  /** Whether every component shall be in two containers or more; empty: the bridge's default. */
  Optional<Boolean> spreadComponents() {
    return spreadComponents;
  }

  /** A value of Heron's configuration as text; empty when there is none. */
  String heron(String key) {
    Object value = values.get(key);
    return value == null ? "" : value.toString().trim();
  }

  /** Sentences on values that cannot be used; each names the key and the value. */
  List<String> problems() {
    return read.problems();
  }

  /** Keys under our prefix that mean nothing, misspelt ones perhaps. */
  List<String> unknownKeys() {
    List<String> unknown = new ArrayList<>();
    for (String key : values.keySet()) {
      if (key.startsWith(PREFIX) && !KEYS.contains(key.substring(PREFIX.length()))
          || (key + ".").equals(PREFIX)) {
        unknown.add(key);
      }
    }
    Collections.sort(unknown);
    return unknown;
  }

  private Mode readMode() {
    String text = text("mode").toLowerCase(Locale.ROOT);
    switch (text) {
      case "":
      case "active":
        return Mode.ACTIVE;
      case "shadow":
        return Mode.SHADOW;
      case "off":
      case "false": // YAML 1.1 reads an unquoted off as the boolean
        return Mode.OFF;
      default:
        read.problem("mode", "it must be active, shadow or off");
        return Mode.ACTIVE;
    }
  }

  private BridgeAddress readAddress() {
    String text = text("address");
    try {
      return BridgeAddress.parse(text.isEmpty() ? DEFAULT_ADDRESS : text);
    } catch (IllegalArgumentException e) {
      read.problem("address", e.getMessage());
      return null;
    }
  }

  private String readEffort() {
    String text = text("effort").toLowerCase(Locale.ROOT);
    if (EFFORTS.contains(text)) {
      return text;
    }
    read.problem("effort", "it must be quick, default or thorough");
    return "";
  }

  private Optional<Boolean> readSpreadComponents() {
    switch (text("spread.components").toLowerCase(Locale.ROOT)) {
      case "":
        return Optional.empty();
      case "true":
        return Optional.of(true);
      case "false":
        return Optional.of(false);
      default:
        read.problem("spread.components", "it must be true or false");
        return Optional.empty();
    }
  }

  private boolean readContainersFree() {
    switch (containers()) {
      case "":
      case "fixed":
        return false;
      case "free":
        return true;
      default:
        read.problem("containers", "it must be fixed or free");
        return false;
    }
  }

  private String text(String key) {
    return read.text(key);
  }
}
