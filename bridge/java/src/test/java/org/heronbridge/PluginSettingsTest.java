package org.heronbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import org.heronbridge.wire.PackingBridgeOuterClass;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every key, with the types that YAML, the command line and the API server give. */
class PluginSettingsTest {

  private final Map<String, Object> values = new HashMap<>();

  @Test
  void whatHoldsWhenNothingIsStated() {
    PluginSettings settings = read();
    assertEquals(PluginSettings.Mode.ACTIVE, settings.mode());
    assertEquals("localhost", settings.address().host());
    assertEquals(50550, settings.address().port());
    assertEquals(10_000, settings.timeoutMs());
    assertEquals("com.twitter.heron.packing.roundrobin.RoundRobinPacking", settings.fallback(false));
    assertEquals("com.twitter.heron.packing.roundrobin.RoundRobinPacking", settings.fallback(true));
    assertEquals("", settings.objective());
    assertEquals(0, settings.targetRate());
    assertEquals(OptionalDouble.empty(), settings.headroom());
    assertEquals(OptionalDouble.empty(), settings.probability());
    assertEquals("", settings.effort());
    assertEquals(Optional.empty(), settings.spreadComponents());
    assertEquals(List.of(), settings.problems());
    assertEquals(List.of(), settings.unknownKeys());
  }

  @Test
  void valuesOfAnyType() {
    set("timeout.ms", 2500L);
    set("target.rate", 1000);
    set("profile", 42);
    set("mode", false);
    PluginSettings settings = read();
    assertEquals(2500, settings.timeoutMs());
    assertEquals(1000, settings.targetRate());
    assertEquals("42", settings.profile());
    assertEquals(PluginSettings.Mode.OFF, settings.mode());
    set("timeout.ms", " 2500.0 ");
    set("target.rate", "1e3");
    set("mode", "Shadow");
    set("containers", "FREE");
    settings = read();
    assertEquals(2500, settings.timeoutMs());
    assertEquals(1000, settings.targetRate());
    assertEquals(PluginSettings.Mode.SHADOW, settings.mode());
    assertEquals("free", settings.containers());
    assertEquals(List.of(), settings.problems());
  }

  @Test
  void whatPlansAreFor() {
    set("headroom", 0);
    set("probability", 0.75);
    set("effort", "Thorough");
    set("spread.components", true);
    PluginSettings settings = read();
    assertEquals(OptionalDouble.of(0), settings.headroom());
    assertEquals(OptionalDouble.of(0.75), settings.probability());
    assertEquals("thorough", settings.effort());
    assertEquals(Optional.of(true), settings.spreadComponents());
    set("headroom", " 1e2 ");
    set("probability", "0.999");
    set("effort", "quick");
    set("spread.components", "FALSE");
    settings = read();
    assertEquals(OptionalDouble.of(100), settings.headroom());
    assertEquals(OptionalDouble.of(0.999), settings.probability());
    assertEquals("quick", settings.effort());
    assertEquals(Optional.of(false), settings.spreadComponents());
    assertEquals(List.of(), settings.problems());
    assertEquals(List.of(), settings.unknownKeys());
  }

  @ParameterizedTest
  @CsvSource({
      "headroom, -0.1, 'a number from 0 to 100: 0.2 for 20 % more than the offered load'",
      "headroom, 100.5, 'a number from 0 to 100: 0.2 for 20 % more than the offered load'",
      "headroom, 20%, 'a number from 0 to 100: 0.2 for 20 % more than the offered load'",
      "headroom, NaN, 'a number from 0 to 100: 0.2 for 20 % more than the offered load'",
      "probability, 0, 'a number above 0 and below 1, such as 0.9'",
      "probability, 1, 'a number above 0 and below 1, such as 0.9'",
      "probability, 90, 'a number above 0 and below 1, such as 0.9'",
      "effort, hasty, 'quick, default or thorough'",
      "spread.components, some, true or false"})
  void goalsThatMakeNoSense(String key, String value, String range) {
    set(key, value);
    PluginSettings settings = read();
    assertEquals(
        List.of("heron.packing.bridge." + key + " is '" + value + "': it must be " + range),
        settings.problems());
    assertEquals(OptionalDouble.empty(), settings.headroom());
    assertEquals(OptionalDouble.empty(), settings.probability());
    assertEquals("", settings.effort());
    assertEquals(Optional.empty(), settings.spreadComponents());
  }

  @Test
  void valuesThatAreNull() {
    set("address", null);
    set("timeout.ms", null);
    assertEquals(List.of(), read().problems());
  }

  @ParameterizedTest
  @ValueSource(strings = {"0", "-1", "0.5", "1e99", "NaN", "ten", "true", "3600001"})
  void timesThatMakeNoSense(String value) {
    set("timeout.ms", value);
    PluginSettings settings = read();
    assertEquals(10_000, settings.timeoutMs());
    assertEquals(List.of("heron.packing.bridge.timeout.ms is '" + value
        + "': it must be a whole number of milliseconds from 1 to 3600000"), settings.problems());
  }

  @ParameterizedTest
  @ValueSource(strings = {"-1", "NaN", "Infinity", "fast"})
  void ratesThatMakeNoSense(String value) {
    set("target.rate", value);
    assertEquals(1, read().problems().size());
  }

  @Test
  void aKeyWithoutItsCertificate() {
    set("tls.key", "/some/key.pem");
    assertEquals(List.of("heron.packing.bridge.tls.cert is not set: the certificate and its key"
        + " belong together"), read().problems());
  }

  @Test
  void keysThatMeanNothing() {
    set("adress", "x");
    values.put("heron.packing.bridge", Map.of("address", "x"));
    values.put("heron.packing.other", "x");
    assertEquals(List.of("heron.packing.bridge", "heron.packing.bridge.adress"),
        read().unknownKeys());
  }

  @ParameterizedTest
  @CsvSource({"bridge.example.com:50550, bridge.example.com, 50550", "10.0.0.1:1, 10.0.0.1, 1",
      "'[::1]:65535', ::1, 65535"})
  void addresses(String text, String host, int port) {
    BridgeAddress address = BridgeAddress.parse(text);
    assertEquals(host, address.host());
    assertEquals(port, address.port());
    assertEquals(text, address.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"unix:///run/bridge.sock", "unix:/run/bridge.sock"})
  void socketAddresses(String text) {
    assertEquals("/run/bridge.sock", BridgeAddress.parse(text).path());
    assertNull(BridgeAddress.parse(text).host());
  }

  @ParameterizedTest
  @ValueSource(strings = {"bridge", ":50550", "bridge:", "bridge:0", "bridge:65536", "bridge:x",
      "::1:50550", "http://bridge:50550", "unix:", "unix://", "unix://relative", "unix:///",
      "two words:1", "[]:1"})
  void addressesThatAreNone(String text) {
    assertThrows(IllegalArgumentException.class, () -> BridgeAddress.parse(text));
    set("address", text);
    PluginSettings settings = read();
    assertEquals(List.of("heron.packing.bridge.address is '" + text
        + "': it must have the form host:port or unix:///path"), settings.problems());
    assertEquals("'" + text + "'", settings.addressText());
  }

  @Test
  void theMethodsAreThoseOfTheContract() {
    assertEquals(PackingBridgeOuterClass.getDescriptor().getServices().get(0).getFullName(),
        BridgeMethods.SERVICE);
    assertEquals("heron.bridge.v1.PackingBridge/Pack", BridgeMethods.PACK.getFullMethodName());
    assertEquals("heron.bridge.v1.PackingBridge/Repack", BridgeMethods.REPACK.getFullMethodName());
  }

  private void set(String key, Object value) {
    values.put(PluginSettings.PREFIX + key, value);
  }

  private PluginSettings read() {
    return PluginSettings.from(values);
  }
}
