package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class SteadyTimeTest {

  private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");

  private final SteadyTime time = new SteadyTime();

  @Test
  void itIsTheClocksWhileThatRunsForward() {
    assertEquals(START, time.of(START));
    assertEquals(START.plusSeconds(60), time.of(START.plusSeconds(60)));
  }

  @Test
  void itGoesOnFromWhereTheClockWasSetBack() {
    time.of(START);
    Instant back = START.minus(Duration.ofHours(5));

    assertEquals(START, time.of(back));
    assertEquals(START.plusSeconds(60), time.of(back.plusSeconds(60)));
    assertEquals(back.plusSeconds(90), time.onClock(START.plusSeconds(90)));
  }

  @Test
  void itMayBeSetBackMoreThanOnce() {
    time.of(START);
    time.of(START.minusSeconds(10));
    time.of(START.minusSeconds(30));

    assertEquals(START.plusSeconds(5), time.of(START.minusSeconds(25)));
  }
}
