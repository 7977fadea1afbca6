package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import org.heronbridge.wire.Action;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.ActionOutcome;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ActionHistoryTest {

  private static final Instant START = Instant.parse("2026-01-01T00:00:00Z");
  private static final Map<String, Integer> EIGHT = Map.of("word", 2, "count", 8);
  private static final Action SHRINK = Action.newBuilder()
      .setKind(ActionKind.SCALE_DOWN).setFingerprint("8 to 2")
      .putAllParallelism(Map.of("word", 2, "count", 2)).build();
  private static final Duration SETTLED = Duration.ofMinutes(7);

  private final ActionHistory history =
      new ActionHistory(Duration.ofMinutes(5), Duration.ofMinutes(10));

  @BeforeEach
  void begin() {
    history.noteRunning(ByteString.copyFromUtf8("plan"), START);
  }

  @ParameterizedTest
  @CsvSource({"count, 1500, 60, true", "count, 1650, 60, true", "count, 1651, 60, false",
      "word, 1500, 60, false", "count, 1500, 61, false"})
  void whatIsMissedAtNoMoreLoadShouldNotHaveBeenTakenAway(
      String bottleneck, double offeredPerS, int minutes, boolean takenBack) {
    history.done(SHRINK, EIGHT, Set.of(), 1500, START);
    assertEquals(ActionOutcome.HELPED, history.judge(Set.of(), START.plus(SETTLED)).getOutcome());

    assertEquals(takenBack, history.takeBack(
        Set.of(bottleneck), offeredPerS, START.plus(Duration.ofMinutes(minutes))) != null);

    assertEquals(takenBack, history.didNotHelp("8 to 2"));
    assertEquals(takenBack ? ActionOutcome.DID_NOT_HELP : ActionOutcome.HELPED,
        history.past().get(0).getOutcome());
    assertNull(history.takeBack(
        Set.of(bottleneck), offeredPerS, START.plus(Duration.ofMinutes(minutes))), "once");
  }

  @Test
  void nothingIsTakenBackOnceSomebodyElseChangedSomething() {
    history.done(SHRINK, EIGHT, Set.of(), 1500, START);
    history.judge(Set.of(), START.plus(SETTLED));

    history.disturbed(START.plus(SETTLED));

    assertNull(history.takeBack(Set.of("count"), 1000, START.plus(Duration.ofMinutes(20))));
  }

  @Test
  void anOutcomeIsDecidedOnceAndAfterAWholeWindow() {
    history.done(SHRINK, EIGHT, Set.of(), 1500, START);

    assertNull(history.judge(Set.of("count"), START.plus(SETTLED).minusSeconds(1)));
    assertNotNull(history.judge(Set.of("count"), START.plus(SETTLED)));
    assertNull(history.judge(Set.of("count"), START.plus(SETTLED)));
  }

  @Test
  void whatSomebodyElseDidMeanwhileLeavesTheOutcomeOpen() {
    history.done(SHRINK, EIGHT, Set.of(), 1500, START);
    history.noteRunning(ByteString.copyFromUtf8("ours"), START.plusSeconds(60));

    assertTrue(history.noteRunning(ByteString.copyFromUtf8("theirs"), START.plusSeconds(120)));

    assertTrue(history.isTooEarly(START.plusSeconds(120).plus(SETTLED).minusSeconds(1)));
    assertFalse(history.isTooEarly(START.plusSeconds(120).plus(SETTLED)));
    assertNull(history.judge(Set.of(), START.plus(Duration.ofHours(1))));
    assertEquals(ActionOutcome.OUTCOME_UNSPECIFIED, history.past().get(0).getOutcome());
  }

  @Test
  void anUpdateThatTheSchedulerRefusedMayHaveStoppedTheTopology() {
    Instant later = START.plus(Duration.ofHours(1));
    history.refused(SHRINK, EIGHT, later);

    assertTrue(history.isTooEarly(later.plus(SETTLED).minusSeconds(1)));
    assertEquals(later.plus(Duration.ofMinutes(10)), history.nextAction());
    assertFalse(history.isRefused("8 to 2"));

    history.refused(SHRINK, EIGHT, later.plus(Duration.ofMinutes(10)));

    assertTrue(history.isRefused("8 to 2"));
    assertEquals(ActionOutcome.DID_NOT_HELP, history.past().get(0).getOutcome());
  }

  @Test
  void aRestartLeavesTheParallelismWhateverTheBridgeSays() {
    history.done(Action.newBuilder().setKind(ActionKind.RESTART_INSTANCE).setFingerprint("restart")
        .putParallelism("unknown", 3).build(), EIGHT, Set.of("count"), 1500, START);

    assertEquals(EIGHT, history.past().get(0).getAfterMap());
  }

  @Test
  void whatWasTooLittleOnceMayBeEnoughAfterSomethingHelped() {
    Instant first = START;
    Instant second = first.plus(Duration.ofMinutes(20));
    history.done(grow("2 to 8", 8), Map.of("count", 2), Set.of("count"), 1500, first);
    history.judge(Set.of("count"), first.plus(SETTLED));
    assertTrue(history.didNotHelp("2 to 8"));

    history.done(grow("8 to 16", 16), Map.of("count", 8), Set.of("count"), 1500, second);
    assertTrue(history.didNotHelp("2 to 8"), "nothing is known of the next one");
    history.judge(Set.of(), second.plus(SETTLED));

    assertFalse(history.didNotHelp("2 to 8"));
  }

  @Test
  void whatWasMissedIsNotTakenAwayAgainWhateverHelped() {
    Instant second = START.plus(Duration.ofMinutes(20));
    history.done(SHRINK, EIGHT, Set.of(), 1500, START);
    history.judge(Set.of("count"), START.plus(SETTLED));
    history.done(grow("2 to 8", 8), Map.of("count", 2), Set.of("count"), 1500, second);
    history.judge(Set.of(), second.plus(SETTLED));

    assertTrue(history.didNotHelp("8 to 2"));
  }

  private static Action grow(String fingerprint, int count) {
    return Action.newBuilder().setKind(ActionKind.SCALE_UP).setFingerprint(fingerprint)
        .putAllParallelism(Map.of("count", count)).build();
  }
}
