package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HealthSettingsTest {

  private final Map<String, Object> values = new HashMap<>();

  @Test
  void whatHoldsWhenNothingIsStated() {
    assertDefaults(new HealthSettings(values::get));
    assertEquals(List.of(), new HealthSettings(values::get).problems());
  }

  @Test
  void valuesOfAnyType() {
    values.put("health.policy.interval.ms", 20_000);
    values.put("heron.health.bridge.mode", " Shadow ");
    values.put("heron.health.bridge.cooldown.ms", "6e5");
    values.put("heron.health.bridge.window.ms", 120_000L);
    values.put("heron.health.bridge.scale.down.after.ms", "Never");
    values.put("heron.health.bridge.headroom", 0);
    values.put("heron.health.bridge.probability", "0.9");

    HealthSettings settings = new HealthSettings(values::get);

    assertEquals(List.of(), settings.problems());
    assertEquals(Duration.ofSeconds(20), settings.interval());
    assertEquals(HealthSettings.Mode.SHADOW, settings.mode());
    assertEquals(Duration.ofMinutes(10), settings.cooldown());
    assertEquals(Duration.ofMinutes(2), settings.window());
    assertNull(settings.scaleDownAfter());
    assertEquals(0, settings.headroom());
    assertEquals(OptionalDouble.of(0.9), settings.probability());
  }

  @ParameterizedTest
  @CsvSource({
      "health.policy.interval.ms, 0, a whole number of milliseconds from 1 to 2147483647",
      "heron.health.bridge.cooldown.ms, 1.5, a whole number of milliseconds from 1 to 2147483647",
      "heron.health.bridge.window.ms, 119999, a whole number of milliseconds from 120000 to 10800000",
      "heron.health.bridge.window.ms, 1e99, a whole number of milliseconds from 120000 to 10800000",
      "heron.health.bridge.scale.down.after.ms, soon, "
          + "'a whole number of milliseconds from 1 to 2147483647, or never'",
      "heron.health.bridge.headroom, NaN, a number from 0 to 0.95: 0.2 for 20 %",
      "heron.health.bridge.headroom, 20, a number from 0 to 0.95: 0.2 for 20 %",
      "heron.health.bridge.probability, 1, 'a number from 0 to below 1, such as 0.9'",
      "heron.health.bridge.probability, -0.1, 'a number from 0 to below 1, such as 0.9'"})
  void aValueThatMakesNoSenseIsNamedAndNotUsed(String key, String value, String wanted) {
    values.put(key, value);

    HealthSettings settings = new HealthSettings(values::get);

    assertEquals(List.of(key + " is '" + value + "': it must be " + wanted), settings.problems());
    assertDefaults(settings);
  }

  @Test
  void anUnknownModeActsOnNothing() {
    values.put("heron.health.bridge.mode", false);

    HealthSettings settings = new HealthSettings(values::get);

    assertEquals(List.of("heron.health.bridge.mode is 'false': it must be active or shadow"),
        settings.problems());
    assertEquals(HealthSettings.Mode.SHADOW, settings.mode());
  }

  private static void assertDefaults(HealthSettings settings) {
    assertEquals(Duration.ofMinutes(1), settings.interval());
    assertEquals(HealthSettings.Mode.ACTIVE, settings.mode());
    assertEquals(Duration.ofMinutes(10), settings.cooldown());
    assertEquals(Duration.ofMinutes(5), settings.window());
    assertEquals(Duration.ofHours(1), settings.scaleDownAfter());
    assertEquals(0.2, settings.headroom());
    assertEquals(OptionalDouble.empty(), settings.probability());
  }
}
