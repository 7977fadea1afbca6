package org.heronbridge.health;

import com.google.protobuf.ByteString;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import org.heronbridge.wire.Action;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.ActionOutcome;
import org.heronbridge.wire.PastAction;

/**
 * What was done to a topology, whether it helped, and when something may be done again.
 *
 * <p>After the policy's start and after every change of the plan, by whomever, a whole window has to
 * go by before anything is judged: its counters would mix what was with what is.
 */
final class ActionHistory {

  /** For which a topology is not itself after an update: it stops, and then works off what waits. */
  private static final Duration SETTLING = Duration.ofMinutes(1);

  /** For which counters are gathered before they are told (heron.metrics.export.interval.sec). */
  private static final Duration EXPORT = Duration.ofMinutes(1);

  /** Older ones are forgotten; the bridge gets them with every request. */
  private static final int MOST_KEPT = 100;
  /** Times that the scheduler may refuse an action before it is not tried again. */
  private static final int MOST_REFUSALS = 2;
  /** Times a load up to which another one counts as the same. */
  private static final double SAME_LOAD = 1.1;
  /** For which what is missed may be missed because it was taken away. */
  private static final Duration MISSED_WITHIN = Duration.ofHours(1);

  private final Duration window;
  private final Duration cooldown;
  private final Deque<PastAction.Builder> past = new ArrayDeque<>();
  private final Map<String, Integer> refusals = new HashMap<>();
  private Instant start;
  private Instant quietUntil;
  private Instant lastAction;
  private ByteString plan;
  private PastAction.Builder pending;
  private SortedSet<String> pendingBottlenecks;
  private double lastRatePerS;

  /**
   * A history in which nothing was done.
   *
   * @param window over which is measured
   * @param cooldown between two actions
   */
  ActionHistory(Duration window, Duration cooldown) {
    this.window = window;
    this.cooldown = cooldown;
  }

  /**
   * Takes note of the plan that runs.
   *
   * @return whether somebody else has changed it since it was noted last
   */
  boolean noteRunning(ByteString runningPlan, Instant now) {
    boolean changed = plan != null && !plan.equals(runningPlan);
    if (start == null) {
      start = now;
      quietUntil = now.plus(EXPORT).plus(window);
    }
    if (changed) {
      disturbed(now);
    }
    plan = runningPlan;
    return changed;
  }

  /** Takes note of something that somebody else did to the topology. */
  void disturbed(Instant now) {
    // Whatever comes of our action, it does not come of it alone.
    pending = null;
    lastRatePerS = 0;
    settle(now);
  }

  private void settle(Instant now) {
    quietUntil = now.plus(SETTLING).plus(EXPORT).plus(window);
  }

  /** Whether what is measured now may stem from another plan. */
  boolean isTooEarly(Instant now) {
    return now.isBefore(quietUntil);
  }

  /** When the next action may be taken; never null. */
  Instant nextAction() {
    return lastAction == null ? start : lastAction.plus(cooldown);
  }

  /**
   * Decides whether the last action helped, once what is measured stems from after it.
   *
   * @param bottlenecks components that hold the spouts back now
   * @return the action with its outcome; null when there is nothing to decide
   */
  PastAction judge(Collection<String> bottlenecks, Instant now) {
    if (pending == null || isTooEarly(now)) {
      return null;
    }
    // One that was not for a bottleneck helped when nothing holds the spouts back; another one when
    // the component that did no longer does, even if the next one does now.
    boolean helped = pendingBottlenecks.isEmpty()
        ? bottlenecks.isEmpty() : Collections.disjoint(pendingBottlenecks, bottlenecks);
    pending.setOutcome(helped ? ActionOutcome.HELPED : ActionOutcome.DID_NOT_HELP);
    PastAction judged = pending.build();
    pending = null;
    return judged;
  }

  /**
   * Takes back that the last action helped, when it took instances away and they are missed now
   * although no more is on offer. Buffers may take longer than a window to fill.
   *
   * @param bottlenecks components that hold the spouts back now
   * @param offeredPerS tuples per second on offer now
   * @return the action with its outcome; null when there is nothing to take back
   */
  PastAction takeBack(Collection<String> bottlenecks, double offeredPerS, Instant now) {
    PastAction.Builder last = past.peekLast();
    if (last == null || last.getOutcome() != ActionOutcome.HELPED
        || offeredPerS > SAME_LOAD * lastRatePerS
        || now.isAfter(lastAction.plus(MISSED_WITHIN))
        || bottlenecks.stream().noneMatch(component -> last.getAfterOrDefault(component, 0)
            < last.getBeforeOrDefault(component, 0))) {
      return null;
    }
    return last.setOutcome(ActionOutcome.DID_NOT_HELP).build();
  }

  /** Whether the scheduler refused an action so often that it is not tried again. */
  boolean isRefused(String fingerprint) {
    return refusals.getOrDefault(fingerprint, 0) >= MOST_REFUSALS;
  }

  /**
   * Whether an action was taken from the same state before and did not help. Instances that were too
   * few may be enough once something has helped since: what they were too few for is over.
   */
  boolean didNotHelp(String fingerprint) {
    boolean useless = false;
    boolean grew = false;
    for (PastAction.Builder action : past) {
      if (action.getOutcome() == ActionOutcome.HELPED) {
        useless &= !grew;
      } else if (action.getOutcome() == ActionOutcome.DID_NOT_HELP
          && action.getFingerprint().equals(fingerprint)) {
        useless = true;
        grew = grows(action);
      }
    }
    return useless;
  }

  private static boolean grows(PastAction.Builder action) {
    return action.getAfterMap().entrySet().stream().anyMatch(component -> component.getValue()
        > action.getBeforeOrDefault(component.getKey(), component.getValue()));
  }

  /**
   * Takes note of an action.
   *
   * @param bottlenecks components that it is meant to help; empty: none holds the spouts back yet
   * @param ratePerS tuples per second that it is meant to carry
   * @param now when it was over
   */
  void done(
      Action action,
      Map<String, Integer> before,
      Set<String> bottlenecks,
      double ratePerS,
      Instant now) {
    pending = entry(action, before, now);
    pendingBottlenecks = new TreeSet<>(bottlenecks);
    lastRatePerS = ratePerS;
    add(pending);
    lastAction = now;
    settle(now);
    // What is read next: schedulers number containers and size them in their own way.
    plan = null;
  }

  /**
   * Takes note of an action that the scheduler refused: it is tried once more, and then no longer. It
   * may have stopped the topology all the same.
   */
  void refused(Action action, Map<String, Integer> before, Instant now) {
    lastAction = now;
    settle(now);
    if (refusals.merge(action.getFingerprint(), 1, Integer::sum) >= MOST_REFUSALS) {
      add(entry(action, before, now).setOutcome(ActionOutcome.DID_NOT_HELP));
    }
  }

  /** Everything that was done, for the bridge. */
  List<PastAction> past() {
    List<PastAction> all = new ArrayList<>();
    past.forEach(action -> all.add(action.build()));
    return all;
  }

  /** Seconds since the start, the clock of {@link PastAction#getAtS()}. */
  double seconds(Instant now) {
    return Duration.between(start, now).toMillis() / 1000.0;
  }

  private PastAction.Builder entry(Action action, Map<String, Integer> before, Instant now) {
    return PastAction.newBuilder()
        .setFingerprint(action.getFingerprint())
        .setKind(action.getKind())
        .setAtS(seconds(now))
        .putAllBefore(before)
        .putAllAfter(
            action.getKind() == ActionKind.RESTART_INSTANCE ? before : action.getParallelismMap());
  }

  private void add(PastAction.Builder action) {
    past.addLast(action);
    if (past.size() > MOST_KEPT) {
      past.removeFirst();
    }
  }
}
