package org.heronbridge;

import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.common.Context;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/** Reads Heron's configuration, whatever type a value has there. */
final class HeronSettings {

  private static final String RAM = "heron.resources.instance.ram";

  private HeronSettings() {
  }

  /** Every entry; {@code Config.getStringValue} would fail on a value that YAML reads as a number. */
  static Map<String, Object> all(Config config) {
    Map<String, Object> all = new LinkedHashMap<>();
    for (Map.Entry<String, Object> entry : config.getEntrySet()) {
      all.put(entry.getKey(), entry.getValue());
    }
    return all;
  }

  /**
   * The system settings that planning needs, under Heron's names: what an instance gets when the
   * topology does not say. Cores and bytes. One that cannot be read is left out.
   */
  static Map<String, String> instanceDefaults(Config config) {
    Map<String, String> defaults = new LinkedHashMap<>();
    put(defaults, "heron.resources.instance.cpu", () -> Context.instanceCpu(config));
    put(defaults, RAM, () -> Context.instanceRam(config).asBytes());
    put(defaults, "heron.resources.instance.disk", () -> Context.instanceDisk(config).asBytes());
    return defaults;
  }

  /**
   * Bytes of RAM that an instance gets when the topology does not say; 0: not known.
   *
   * @param defaults see {@link #instanceDefaults}
   */
  static long instanceRam(Map<String, String> defaults) {
    return Long.parseLong(defaults.getOrDefault(RAM, "0"));
  }

  /** Package prefix of the Heron that calls: {@code com.twitter.heron} or {@code org.apache.heron}. */
  static String flavour() {
    String name = PackingPlan.class.getName();
    return name.substring(0, name.length() - ".spi.packing.PackingPlan".length());
  }

  private static void put(Map<String, String> to, String key, Supplier<Object> value) {
    try {
      Object read = value.get();
      if (read != null) {
        to.put(key, read.toString());
      }
    } catch (RuntimeException e) {
      DecisionLog.settingLeftOut(key, e);
    }
  }
}
