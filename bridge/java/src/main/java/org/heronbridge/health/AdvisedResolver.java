package org.heronbridge.health;

import com.google.protobuf.ByteString;
import com.microsoft.dhalion.api.IResolver;
import com.microsoft.dhalion.core.Action;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import com.twitter.heron.spi.packing.PackingPlan;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import org.heronbridge.AdviceClient;
import org.heronbridge.NoAdviceException;
import org.heronbridge.Sentences;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.ActionOutcome;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;
import org.heronbridge.wire.PastAction;
import org.heronbridge.wire.Symptom;

/**
 * Has the bridge judge what could be done about the symptoms, and does what it chose, or says why
 * nothing is done.
 *
 * <p>Nothing is thrown, and the collection returned is never null: either would end Dhalion's executor
 * and with it the health manager.
 */
final class AdvisedResolver implements IResolver {

  /** Types of the entries in Dhalion's table of actions; a sentence is what they are assigned to. */
  static final String DEPLOYED = "BridgeAdviceDeployed";
  static final String NOT_DEPLOYED = "BridgeAdviceNotDeployed";

  /** Refused candidates whose reasons are logged. */
  private static final int MOST_REASONS = 3;

  private final HealthSettings settings;
  private final AdviceClient bridge;
  private final CycleView view;
  private final Deployment deployment;
  private final HealthLog log;
  private final Clock clock;
  private final ActionHistory history;
  private final LoadMemory load;
  private final RisingLoad rising = new RisingLoad();
  private ExecutionContext context;
  private Instant nextReview;

  AdvisedResolver(
      HealthSettings settings,
      AdviceClient bridge,
      CycleView view,
      Deployment deployment,
      HealthLog log,
      Clock clock) {
    this.settings = settings;
    this.bridge = bridge;
    this.view = view;
    this.deployment = deployment;
    this.log = log;
    this.clock = clock;
    this.history = new ActionHistory(view.window(), settings.cooldown());
    this.load = new LoadMemory(settings.scaleDownAfter());
  }

  @Override
  public void initialize(ExecutionContext executionContext) {
    context = executionContext;
  }

  @Override
  public Collection<Action> resolve(Collection<Diagnosis> diagnoses) {
    Instant now = Instant.EPOCH;
    try {
      now = context.checkpoint();
      return resolve(diagnoses, now);
    } catch (NoAdviceException e) {
      String sentence = "nothing was done: " + e.getMessage();
      log.hindered(sentence);
      return entry(NOT_DEPLOYED, sentence, now);
    } catch (Throwable t) {
      // An Error as well: a class that is missing in this Heron must not end other policies.
      log.hindered("nothing was done: the policy failed: " + Sentences.of(t));
      return Collections.emptyList();
    }
  }

  private Collection<Action> resolve(Collection<Diagnosis> diagnoses, Instant now)
      throws NoAdviceException {
    List<String> hindrances = new ArrayList<>(settings.problems());
    hindrances.addAll(bridge.problems());
    hindrances.addAll(view.takeFailures());
    RunningTopology running = view.running();
    if (!hindrances.isEmpty() || running == null) {
      throw new NoAdviceException(String.join("; ", hindrances), null);
    }
    if (history.noteRunning(ByteString.copyFrom(running.heronPlan().toByteArray()), now)) {
      log.said("somebody else changed the plan");
      deployment.announceUpdate(running.parallelism().keySet(), now);
      load.forget();
      rising.forget();
    }
    Observation seen = view.observation(diagnoses);
    if (history.isTooEarly(now)) {
      return Collections.emptyList();
    }
    learn(seen, now);
    if (!seen.uncountedSpouts().isEmpty()) {
      throw new NoAdviceException("the source of metrics has no counters of "
          + String.join(", ", seen.uncountedSpouts()) + ", so the load is not known; see"
          + " heron.healthmgr.metricsource in healthmgr.yaml", null);
    }
    return act(seen, running, now);
  }

  /** Whether the last action helped is known once a window has gone by. */
  private void learn(Observation seen, Instant now) {
    PastAction judged = history.judge(seen.bottlenecks(), now);
    if (judged != null) {
      log.said(judged.getKind().name().toLowerCase(Locale.ROOT).replace('_', ' ')
          + (judged.getOutcome() == ActionOutcome.HELPED
              ? " helped" : " did not help and will not be repeated from the same state"));
    }
    if (seen.bottlenecks().isEmpty()) {
      load.note(now, seen.offeredPerS());
    } else {
      load.forget();
    }
  }

  private Collection<Action> act(Observation seen, RunningTopology running, Instant now)
      throws NoAdviceException {
    List<Symptom> symptoms = seen.symptoms();
    // What was emitted before the buffers were full is what is on offer; 0: the bridge has to tell.
    double ratePerS = seen.unhinderedPerS();
    boolean rises = symptoms.isEmpty() && !now.isBefore(history.nextAction())
        && rising.hasRisen(seen.offeredPerS());
    if (rises) {
      ratePerS = seen.offeredPerS();
      rising.asked(ratePerS);
    } else if (symptoms.isEmpty() && isReviewDue(now)) {
      ratePerS = load.highestPerS();
      symptoms = seen.overProvisioned(ratePerS, settings.headroom());
    }
    if (symptoms.isEmpty() && !rises) {
      return Collections.emptyList();
    }
    if (now.isBefore(history.nextAction())) {
      String waits = "nothing is done before " + history.nextAction()
          + ", a while after the last action";
      log.stillSaid(waits);
      return entry(NOT_DEPLOYED, waits, now);
    }
    if (seen.bottlenecks().isEmpty()) {
      nextReview = now.plus(settings.cooldown());
    }
    AdviseResponse advice = bridge.ask(
        running.topology(), running.plan(), request(seen, symptoms, ratePerS, now));
    String words = rises
        ? String.format(Locale.ROOT, "the load has risen to %.0f tuples/s", ratePerS)
        : Observation.words(symptoms);
    org.heronbridge.wire.Action chosen = chosen(advice);
    if (chosen == null || chosen.getKind() == ActionKind.DO_NOTHING) {
      String sentence = words + "; nothing is done: " + reasons(advice);
      log.said(sentence);
      return entry(NOT_DEPLOYED, sentence, now);
    }
    String doubt = rises && shrinks(chosen, running)
        ? "it takes instances away while the load rises" : doubt(chosen);
    String what = words + "; " + what(chosen);
    if (doubt != null || settings.mode() == HealthSettings.Mode.SHADOW) {
      String sentence = what + ": not done, because "
          + (doubt == null ? HealthSettings.PREFIX + "mode is shadow" : doubt);
      log.said(sentence);
      return entry(NOT_DEPLOYED, sentence, now);
    }
    return follow(chosen, what, seen.bottlenecks(), running, now);
  }

  private boolean isReviewDue(Instant now) {
    return settings.scaleDownAfter() != null && load.isFull(now, view.window())
        && !now.isBefore(history.nextAction())
        && (nextReview == null || !now.isBefore(nextReview));
  }

  private AdviseRequest.Builder request(
      Observation seen, List<Symptom> symptoms, double ratePerS, Instant now) {
    AdviseRequest.Builder request = AdviseRequest.newBuilder()
        .setRatePerS(ratePerS)
        .setHeadroom(settings.headroom())
        .addAllSymptoms(symptoms)
        .addAllPastActions(history.past())
        .setNowS(history.seconds(now))
        .setCooldownS(settings.cooldown().toMillis() / 1000.0);
    settings.probability().ifPresent(request::setProbability);
    seen.addTo(request, bridge.namesProfile());
    return request;
  }

  private static org.heronbridge.wire.Action chosen(AdviseResponse advice) throws NoAdviceException {
    org.heronbridge.wire.Action chosen = null;
    for (org.heronbridge.wire.Action action : advice.getActionsList()) {
      if (action.getChosen()) {
        if (chosen != null) {
          throw new NoAdviceException("the bridge chose more than one action", null);
        }
        chosen = action;
      }
    }
    return chosen;
  }

  /** Why an action is not taken although the bridge chose it; null: it is. */
  private String doubt(org.heronbridge.wire.Action chosen) {
    if (chosen.getFingerprint().isEmpty()) {
      return "the bridge gave it no fingerprint, so its outcome could not be remembered";
    }
    if (history.didNotHelp(chosen.getFingerprint())) {
      return "it was done before and did not help";
    }
    double wanted = settings.probability().orElse(0);
    if (!(chosen.getProbability() >= wanted)) {
      return String.format(Locale.ROOT, "it clears the symptoms with a probability of %.2f only, and"
          + " %sprobability is %.2f", chosen.getProbability(), HealthSettings.PREFIX, wanted);
    }
    return null;
  }

  private Collection<Action> follow(
      org.heronbridge.wire.Action chosen,
      String what,
      SortedSet<String> bottlenecks,
      RunningTopology running,
      Instant now)
      throws NoAdviceException {
    boolean restarts = chosen.getKind() == ActionKind.RESTART_INSTANCE;
    if (restarts && !running.hasContainer(chosen.getContainerId())) {
      throw new NoAdviceException("the bridge chose to restart container "
          + chosen.getContainerId() + ", which does not run", null);
    }
    PackingPlan plan = restarts
        ? null : bridge.deployable(running.topology(), running.plan(), chosen);
    log.said(what + ": doing it now");
    Action done;
    try {
      done = restarts
          ? deployment.restart(chosen.getContainerId(), now)
          : deployment.update(running, plan, changed(chosen, running), now);
    } catch (NoAdviceException | RuntimeException e) {
      history.refused(chosen, running.parallelism(), clock.instant());
      String sentence = what + ": failed: " + Sentences.of(e);
      log.failed(sentence);
      return entry(NOT_DEPLOYED, sentence, now);
    }
    history.done(chosen, running.parallelism(), bottlenecks, clock.instant());
    load.forget();
    rising.forget();
    log.said(Sentences.line(chosen.getDescription()) + ": done");
    List<Action> entries = new ArrayList<>(Arrays.asList(done));
    entries.addAll(entry(DEPLOYED, what, now));
    return entries;
  }

  private static SortedSet<String> changed(
      org.heronbridge.wire.Action chosen, RunningTopology running) {
    SortedSet<String> changed = new TreeSet<>();
    for (Map.Entry<String, Integer> component : running.parallelism().entrySet()) {
      if (!component.getValue().equals(chosen.getParallelismMap().get(component.getKey()))) {
        changed.add(component.getKey());
      }
    }
    return changed.isEmpty() ? new TreeSet<>(running.parallelism().keySet()) : changed;
  }

  private static String what(org.heronbridge.wire.Action action) {
    return Sentences.line(String.format(Locale.ROOT,
        "%s, which clears it with a probability of %.2f and stops the topology for %.0f s%s",
        action.getDescription(), action.getProbability(), action.getDowntimeS(),
        action.getReasonsCount() == 0 ? "" : " (" + String.join("; ", action.getReasonsList()) + ")"));
  }

  private static boolean shrinks(org.heronbridge.wire.Action chosen, RunningTopology running) {
    return chosen.getParallelismMap().entrySet().stream().anyMatch(component ->
        component.getValue() < running.parallelism().getOrDefault(component.getKey(), 0));
  }

  /** Why the bridge chose nothing. */
  private static String reasons(AdviseResponse advice) {
    List<String> reasons = new ArrayList<>();
    if (!advice.getImpossible().isEmpty()) {
      reasons.add(advice.getImpossible());
    }
    for (org.heronbridge.wire.Action action : advice.getActionsList()) {
      if (reasons.size() < MOST_REASONS && action.getReasonsCount() > 0) {
        reasons.add(action.getDescription() + ": " + String.join("; ", action.getReasonsList()));
      }
    }
    return Sentences.line(
        reasons.isEmpty() ? "the bridge sees nothing that helps" : String.join("; ", reasons));
  }

  private static Collection<Action> entry(String type, String sentence, Instant now) {
    return new ArrayList<>(Collections.singletonList(
        new Action(type, now, Collections.singletonList(sentence))));
  }
}
