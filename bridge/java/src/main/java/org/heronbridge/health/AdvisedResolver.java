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
  private final SteadyTime time = new SteadyTime();
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
    this.load = new LoadMemory(
        settings.scaleDownAfter(), settings.window().plus(settings.interval()));
  }

  @Override
  public void initialize(ExecutionContext executionContext) {
    context = executionContext;
  }

  @Override
  public Collection<Action> resolve(Collection<Diagnosis> diagnoses) {
    try {
      return resolve(diagnoses, time.of(context.checkpoint()));
    } catch (NoAdviceException e) {
      String sentence = "nothing was done: " + e.getMessage();
      log.hindered(sentence);
      return entry(NOT_DEPLOYED, sentence);
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
      log.said("the plan was changed, not by this policy as far as it knows; all is measured anew");
      deployment.announceUpdate(running.parallelism().keySet(), context.checkpoint());
      startAnew();
    }
    if (deployment.takeRestartByOthers()) {
      log.said("another policy restarted a container; all is measured anew");
      history.disturbed(now);
      startAnew();
    }
    if (history.isTooEarly(now)) {
      return Collections.emptyList();
    }
    Observation seen = view.observation(diagnoses);
    learn(seen, now);
    return act(seen, running, now);
  }

  private void startAnew() {
    load.forget();
    rising.forget();
  }

  /** Whether the last action helped is known once a window has gone by. */
  private void learn(Observation seen, Instant now) throws NoAdviceException {
    PastAction judged = history.judge(seen.bottlenecks(), now);
    if (judged != null) {
      log.said(name(judged) + (judged.getOutcome() == ActionOutcome.HELPED
          ? " helped" : " did not help and will not be repeated from the same state"));
    }
    if (!seen.uncounted().isEmpty()) {
      throw new NoAdviceException("the source of metrics has no counters of "
          + String.join(", ", seen.uncounted()) + ", so the load is not known; see"
          + " heron.healthmgr.metricsource in healthmgr.yaml", null);
    }
    if (seen.bottlenecks().isEmpty()) {
      load.note(now, seen.offeredPerS());
      return;
    }
    load.forget();
    PastAction missed = history.takeBack(seen.bottlenecks(), offeredPerS(seen), now);
    if (missed != null) {
      log.said(name(missed) + " took away what is missing now, and will not be repeated from the same"
          + " state");
    }
  }

  private static String name(PastAction action) {
    return action.getKind().name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private static double offeredPerS(Observation seen) {
    return seen.unhinderedPerS() > 0 ? seen.unhinderedPerS() : seen.offeredPerS();
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
    } else if (symptoms.isEmpty() && isReviewDue(now)) {
      ratePerS = load.highestPerS();
      symptoms = seen.overProvisioned(ratePerS, settings.headroom());
    }
    if (symptoms.isEmpty() && !rises) {
      return Collections.emptyList();
    }
    if (now.isBefore(history.nextAction())) {
      String waits = "nothing is done before " + time.onClock(history.nextAction())
          + ", a while after the last action";
      log.stillSaid(waits);
      return entry(NOT_DEPLOYED, waits);
    }
    if (seen.bottlenecks().isEmpty()) {
      nextReview = now.plus(settings.cooldown());
    }
    AdviseResponse advice = bridge.ask(
        running.topology(), running.plan(), request(seen, symptoms, ratePerS, now));
    if (rises) {
      rising.asked(ratePerS);
    }
    String words = rises
        ? String.format(Locale.ROOT, "the load has risen to %.0f tuples/s", ratePerS)
        : Observation.words(symptoms);
    org.heronbridge.wire.Action chosen = chosen(advice);
    if (chosen == null || chosen.getKind() == ActionKind.DO_NOTHING) {
      return decided(words + "; nothing is done: " + reasons(advice));
    }
    String what = words + "; " + what(chosen);
    String doubt = rises && shrinks(chosen, running)
        ? "it takes instances away while the load rises" : doubt(chosen, running);
    if (doubt != null) {
      return decided(what + ": not done, because " + doubt);
    }
    PackingPlan plan = chosen.getKind() == ActionKind.RESTART_INSTANCE
        ? null : bridge.deployable(running.topology(), running.plan(), chosen);
    if (settings.mode() == HealthSettings.Mode.SHADOW) {
      return decided(what + ": not done, because " + HealthSettings.PREFIX + "mode is shadow");
    }
    return follow(chosen, plan, what, seen, ratePerS, running);
  }

  private Collection<Action> decided(String sentence) {
    log.said(sentence);
    return entry(NOT_DEPLOYED, sentence);
  }

  /** Does it: a restart where there is no plan. */
  private Collection<Action> follow(
      org.heronbridge.wire.Action chosen,
      PackingPlan plan,
      String what,
      Observation seen,
      double ratePerS,
      RunningTopology running) {
    log.said(what + ": doing it now");
    Action done;
    try {
      done = plan == null
          ? deployment.restart(chosen.getContainerId(), context.checkpoint())
          : deployment.update(running, plan, changed(chosen, running), context.checkpoint());
    } catch (Throwable t) {
      // An Error as well: the scheduler's part may lack a class, and would be asked at every look.
      history.refused(chosen, running.parallelism(), time.of(clock.instant()));
      String sentence = what + ": failed: " + Sentences.of(t);
      log.failed(sentence);
      return entry(NOT_DEPLOYED, sentence);
    }
    history.done(chosen, running.parallelism(), seen.bottlenecks(),
        ratePerS > 0 ? ratePerS : seen.offeredPerS(), time.of(clock.instant()));
    startAnew();
    log.said(Sentences.line(chosen.getDescription()) + ": done");
    List<Action> entries = new ArrayList<>(Arrays.asList(done));
    entries.addAll(entry(DEPLOYED, what));
    return entries;
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
  private String doubt(org.heronbridge.wire.Action chosen, RunningTopology running) {
    if (chosen.getKind() == ActionKind.ACTION_UNSPECIFIED
        || chosen.getKind() == ActionKind.UNRECOGNIZED) {
      return "this plugin does not know actions of its kind (" + chosen.getKindValue()
          + "); update the plugin";
    }
    if (chosen.getFingerprint().isEmpty()) {
      return "the bridge gave it no fingerprint, so its outcome could not be remembered";
    }
    if (chosen.getKind() == ActionKind.RESTART_INSTANCE
        && !running.hasContainer(chosen.getContainerId())) {
      return "container " + chosen.getContainerId() + " does not run";
    }
    if (history.isRefused(chosen.getFingerprint())) {
      return "the scheduler refused it before, and it is not tried again";
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

  private Collection<Action> entry(String type, String sentence) {
    return new ArrayList<>(Collections.singletonList(
        new Action(type, context.checkpoint(), Collections.singletonList(sentence))));
  }
}
