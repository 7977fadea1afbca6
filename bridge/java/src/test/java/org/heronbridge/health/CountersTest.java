package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.dhalion.core.Measurement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CountersTest {

  private static final String EMITTED = "__emit-count/default";
  private static final String COUNT = "__execute-count/word/default";
  private static final String LATENCY = "__execute-latency/word/default";
  private static final String INSTANCE = "container_1_count_2";
  /** A second at which no minute of a clock begins. */
  private static final long START = 1_000_007;

  private final List<Measurement> measurements = new ArrayList<>();

  @Test
  void theNewestMinuteAndThoseBeforeSpoutsEmittedAreLeftOut() {
    spoutTold(0, 0, 600, 1200, 60);
    told(COUNT, 90, 0, 600, 1200, 60);

    assertEquals((600 + 1200) / 120.0, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void aBoltThatCountsInOneMinuteOnlyIsAveragedOverThoseOfTheSpouts() {
    spoutTold(600, 600, 600, 600, 600);
    told(COUNT, 0, 0, 0, 2400, 0);

    assertEquals(10, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void everyMinuteThatIsCoveredHasARateOfItsOwn() {
    told(COUNT, 600, 1200, 60, 300);

    assertEquals(Set.of(START, START + 60, START + 120), new Minutes(measurements).covered());
    assertEquals(20, counters().perSecondIn(START + 60, COUNT), 1e-9);
    assertTrue(counters().isKnownIn(START + 60));
    assertEquals(0, counters().perSecondIn(START + 60, "another metric"), 1e-9);
    assertFalse(counters().isKnownIn(START + 180));
  }

  @ParameterizedTest
  @ValueSource(ints = {-29, -1, 1, 29})
  void minutesOfAnotherInstanceMayBeginAtOtherSeconds(int later) {
    told(COUNT, 600, 600, 600, 600);
    for (int minute = 0; minute < 3; minute++) {
      told(COUNT, "container_2_count_3", START + 60 * minute + later, 1200);
    }

    assertEquals(30, counters().perSecond(COUNT), 1e-9);
    assertEquals(30, counters().perSecondIn(START + 60, COUNT), 1e-9);
  }

  @ParameterizedTest
  @ValueSource(ints = {35, 45, 59})
  void theFirstMinuteOfACounterMayBeginAnywhere(int second) {
    // As in tmetrics-collector.cpp: it ends with that of all others.
    spoutTold(600, 600, 600, 600, 600);
    told(COUNT, INSTANCE, START + second, 90);
    for (int minute = 1; minute < 5; minute++) {
      told(COUNT, INSTANCE, START + 60 * minute, 600);
    }

    assertEquals(10, counters().perSecondIn(START + 60, COUNT), 1e-9);
    assertEquals(3 * 600 / 240.0, counters().perSecond(COUNT), 1e-9);
  }

  @ParameterizedTest
  @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, -600})
  void whatIsNoAmountIsLeftOut(double value) {
    told(COUNT, 600, value, 600, 600);

    assertEquals(1200 / 180.0, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void aComponentThatCountedNothingHasARateOfZero() {
    told(COUNT, 0, 0, 0);

    assertTrue(counters().isKnown());
    assertEquals(0, counters().perSecond(COUNT));
  }

  @Test
  void oneThatHasOnlyJustBegunIsNotKnown() {
    spoutTold(600, 600, 600);
    told(COUNT, INSTANCE, START + 120, 600);

    assertFalse(counters().isKnown());
    assertEquals(0, counters().perSecond(COUNT));
  }

  @Test
  void withoutMeasurementsNothingIsKnown() {
    assertFalse(counters().isKnown());
    assertEquals(0, counters().perSecond(COUNT));
  }

  @Test
  void otherComponentsDoNotCount() {
    told(COUNT, 600, 600, 600);
    measurements.add(
        new Measurement("other", "container_1_other_9", COUNT, Instant.ofEpochSecond(START), 1e9));

    assertEquals(10, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void latenciesAreWeightedByTuples() {
    told(COUNT, 100, 300, 200, 100);
    told(LATENCY, 10, 20, Double.NaN, 1000);
    Counters counters = counters();

    double sum = counters.product(COUNT, LATENCY, INSTANCE);
    double tuples = counters.sumWhere(COUNT, LATENCY, INSTANCE);

    assertEquals((100 * 10 + 300 * 20) / 400.0, sum / tuples, 1e-9);
  }

  private Counters counters() {
    return new Counters(measurements, "count", new Minutes(measurements), LoadSensor.EXECUTED);
  }

  private void spoutTold(double... byMinute) {
    for (int minute = 0; minute < byMinute.length; minute++) {
      measurements.add(new Measurement("word", "container_1_word_1", EMITTED,
          Instant.ofEpochSecond(START + 60L * minute), byMinute[minute]));
    }
  }

  private void told(String metric, double... byMinute) {
    for (int minute = 0; minute < byMinute.length; minute++) {
      told(metric, INSTANCE, START + 60L * minute, byMinute[minute]);
    }
  }

  private void told(String metric, String instance, long second, double value) {
    measurements.add(
        new Measurement("count", instance, metric, Instant.ofEpochSecond(second), value));
  }
}
