package org.heronbridge;

import java.io.IOException;
import java.io.InputStream;
import java.util.Scanner;

/** How the plugin names itself. */
final class PluginVersion {

  /** Revision of the contract in {@code packing_bridge.proto} that the plugin is written for. */
  static final int CONTRACT_REVISION = 1;

  /** For example {@code heron-bridge-plugin/0.1.0}. */
  static final String SOFTWARE = "heron-bridge-plugin/" + version();

  private PluginVersion() {
  }

  private static String version() {
    try (InputStream in = PluginVersion.class.getResourceAsStream("version.txt")) {
      return in == null ? "unknown" : new Scanner(in, "US-ASCII").next();
    } catch (IOException e) {
      return "unknown";
    }
  }
}
