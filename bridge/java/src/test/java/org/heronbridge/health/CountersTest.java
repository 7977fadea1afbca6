package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.dhalion.core.Measurement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class CountersTest {

  private static final Duration WINDOW = Duration.ofMinutes(5);
  private static final String COUNT = "__execute-count/word/default";
  private static final String LATENCY = "__execute-latency/word/default";

  private final List<Measurement> measurements = new ArrayList<>();

  @Test
  void theNewestMinuteAndThoseBeforeTheStartAreLeftOut() {
    told(COUNT, 0, 0, 600, 1200, 60);

    assertEquals((600 + 1200) / 120.0, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void everyMinuteThatIsCoveredHasARateOfItsOwn() {
    told(COUNT, 600, 1200, 60, 300);
    Counters counters = counters();

    assertEquals(List.of(0L, 60L, 120L), List.copyOf(counters.covered()));
    assertEquals(20, counters.perSecondIn(60L, COUNT), 1e-9);
    assertEquals(0, counters.perSecondIn(180L, "another metric"), 1e-9);
  }

  @Test
  void aComponentThatCountedNothingHasARateOfZero() {
    told(COUNT, 0, 0, 0);

    assertTrue(counters().isKnown());
    assertEquals(0, counters().perSecond(COUNT));
  }

  @Test
  void oneThatHasOnlyJustBegunIsNotKnown() {
    told(COUNT, 0, 0, 600);

    assertFalse(counters().isKnown());
    assertEquals(0, counters().perSecond(COUNT));
  }

  @Test
  void withoutMeasurementsNothingIsKnown() {
    assertFalse(counters().isKnown());
  }

  @Test
  void aSingleNumberIsThatOfTheWholeWindow() {
    told(COUNT, 3000);

    assertEquals(10, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void otherComponentsDoNotCount() {
    told(COUNT, 600, 600, 600);
    measurements.add(
        new Measurement("other", "container_1_other_9", COUNT, Instant.ofEpochSecond(0), 1e9));

    assertEquals(10, counters().perSecond(COUNT), 1e-9);
  }

  @Test
  void latenciesAreWeightedByTuples() {
    told(COUNT, 100, 300, 100);
    told(LATENCY, 10, 20, 1000);
    Counters counters = counters();

    double sum = counters.product(COUNT, LATENCY, "container_1_count_2");
    double tuples = counters.sumWhere(COUNT, LATENCY, "container_1_count_2");

    assertEquals((100 * 10 + 300 * 20) / 400.0, sum / tuples, 1e-9);
  }

  private Counters counters() {
    return Counters.of(measurements, "count", WINDOW, LoadSensor.EXECUTED);
  }

  private void told(String metric, double... byMinute) {
    for (int minute = 0; minute < byMinute.length; minute++) {
      measurements.add(new Measurement("count", "container_1_count_2", metric,
          Instant.ofEpochSecond(60L * minute), byMinute[minute]));
    }
  }
}
