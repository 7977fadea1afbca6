package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.microsoft.dhalion.api.IDetector;
import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import com.twitter.heron.healthmgr.common.HealthManagerEvents.ContainerRestart;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.heronbridge.AdvisingBridge;
import org.heronbridge.wire.Action;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.ActionOutcome;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;
import org.heronbridge.wire.InstanceLoad;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.SymptomKind;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The policy as Dhalion's own executor drives it, over a simulated cluster and with a real gRPC server
 * for a bridge. One cycle of the policy is one minute of the cluster.
 */
@Timeout(300)
class BridgeHealthPolicyTest {

  private static final Duration COOLDOWN = Duration.ofMinutes(10);

  private final PolicyRun run = new PolicyRun();
  private final Map<String, Object> settings = run.settings;
  private final List<String> lines = run.lines;
  private final List<Instant> announced = run.announced;
  private final List<com.microsoft.dhalion.core.Action> actions = run.actions;
  private SimulatedCluster cluster = run.cluster;

  @AfterEach
  void end() {
    run.close();
  }

  // What is asked and done

  @Test
  void anOverloadedBoltIsScaledOnceAndTheTopologyIsHealthy() throws Exception {
    cluster.offeredPerS = minute -> 4000;

    List<AdviseRequest> requests = run(60, new SizingAdvice(cluster));

    assertEquals(List.of(5), cluster.sizes, "4 busy instances at 20 % headroom");
    assertFalse(cluster.isHeldBack());
    assertEquals(1, requests.size());
    assertTrue(Duration.between(SimulatedCluster.START, cluster.updates.get(0)).toMinutes() >= 5,
        "a whole window is measured before anything is done");
    assertSaid("back pressure at count (50 % of the time)");
    assertSaid("with a probability of 0.95");
    assertSaid("It carries the load with the headroom asked for.");
    assertSaid("scale up helped");
    assertEquals(List.of("TopologyUpdate", AdvisedResolver.DEPLOYED), typesOfActions());
    assertEquals(1, announced.size());
  }

  @ParameterizedTest
  @CsvSource({"'', true", "wordcount, false"})
  void aSpoutIsNotTakenForALimitUnlessAProfileMaySayOtherwise(String profile, boolean stated)
      throws Exception {
    cluster.offeredPerS = minute -> 4000;
    settings.put("heron.packing.bridge.profile", profile);

    AdviseRequest request = run(10, new SizingAdvice(cluster)).get(0);

    assertEquals("word", request.getComponents(1).getComponent());
    assertEquals(stated, request.getComponents(1).hasServiceS());
    assertEquals(0, request.getComponents(1).getServiceS());
    assertEquals(profile, request.getContext().getOptions().getProfile());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theRequestSaysWhatWasObserved(boolean cached) throws Exception {
    cluster.offeredPerS = minute -> 4000;
    cluster.cached = cached;
    settings.put("heron.health.bridge.probability", "0.9");
    settings.put("heron.health.bridge.headroom", 0.25);

    AdviseRequest request = run(30, new SizingAdvice(cluster)).get(0);

    PackingPlan current = PackingPlan.parseFrom(request.getCurrentPlan());
    assertEquals(cluster.topology.getId(), current.getId());
    assertEquals(4, current.getContainerPlansList().stream()
        .mapToInt(container -> container.getInstancePlansCount()).sum());
    assertFalse(request.getContext().getTopology().toStringUtf8().contains("secret"));
    assertEquals(0.9, request.getProbability());
    assertEquals(0.25, request.getHeadroom());
    assertEquals(600, request.getCooldownS());
    assertEquals(0, request.getRatePerS());
    assertEquals(List.of("count", "word"), request.getComponentsList().stream()
        .map(load -> load.getComponent()).collect(Collectors.toList()));
    // Half of what is on offer gets through.
    assertEquals(2000, request.getComponents(1).getTuplesPerS(), 1e-6);
    assertEquals(2000, request.getComponents(0).getTuplesPerS(), 1e-6);
    assertEquals(1e-3, request.getComponents(0).getServiceS(), 1e-12);
    assertEquals(4, request.getInstancesCount());
    for (InstanceLoad instance : request.getInstancesList()) {
      assertEquals(1000, instance.getTuplesPerS(), 1e-6);
    }
    assertEquals(1, request.getSymptomsCount());
    assertEquals(SymptomKind.BACK_PRESSURE, request.getSymptoms(0).getKind());
    assertEquals("count", request.getSymptoms(0).getComponent());
    assertEquals(2, request.getSymptoms(0).getTaskIdsCount());
    assertEquals(0.5, request.getSymptoms(0).getBackPressureShare(), 1e-6);
  }

  @Test
  void aHealthyTopologyIsLeftAloneWithoutAsking() throws Exception {
    assertEquals(0, run(60, new SizingAdvice(cluster)).size());
    assertEquals(List.of(), cluster.updates);
  }

  @Test
  void whatSpoutsEmittedBeforeTheBuffersWereFullIsOnOffer() throws Exception {
    cluster.offeredPerS = minute -> 8000;
    cluster.buffers = 8 * 60 * 6000;

    List<AdviseRequest> requests = run(60, new SizingAdvice(cluster));

    assertEquals(8000, requests.get(0).getRatePerS(), 1e-6);
    assertEquals(SymptomKind.BACK_PRESSURE, requests.get(0).getSymptoms(0).getKind());
    assertEquals(List.of(10), cluster.sizes, "8 busy instances at 20 % headroom");
    assertFalse(cluster.isHeldBack());
  }

  @Test
  void aLoadThatRisesSlowlyIsFollowedBeforeItHoldsTheSpoutsBack() throws Exception {
    List<Integer> heldBack = new ArrayList<>();
    cluster.offeredPerS = minute -> {
      if (cluster.isHeldBackBy(1000 + 10 * minute)) {
        heldBack.add(minute);
      }
      return 1000 + 10 * minute;
    };

    List<AdviseRequest> requests = run(300, new SizingAdvice(cluster));

    assertEquals(List.of(), heldBack);
    assertEquals(List.of(3, 4, 5), cluster.sizes);
    assertEquals(0, requests.get(0).getSymptomsCount());
    assertTrue(requests.size() <= 30, "it is asked about steps, not about every minute");
    assertSaid("the load has risen to");
  }

  @Test
  void aRiseIsAskedAboutAgainWhenTheBridgeDidNotAnswer() throws Exception {
    cluster.offeredPerS = minute -> minute < 30 ? 1000 : 1800;
    SizingAdvice sizing = new SizingAdvice(cluster);

    List<AdviseRequest> requests = run(60, request -> {
      if (cluster.minutesGone() < 40) {
        throw new IllegalStateException("out of order");
      }
      return sizing.apply(request);
    });

    assertTrue(requests.size() > 2, requests::toString);
    assertEquals(List.of(3), cluster.sizes);
  }

  @Test
  void nothingIsTakenAwayBecauseTheLoadRises() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.offeredPerS = minute -> 1000 + 20 * minute;

    assertFalse(run(50, new SizingAdvice(cluster)).isEmpty());

    assertEquals(List.of(), cluster.updates);
    assertSaid("it takes instances away while the load rises");
  }

  @Test
  void instancesThatWereNotNeededForAnHourAreTakenAway() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.offeredPerS = minute -> minute < 100 ? 6000 : 1500;

    List<AdviseRequest> requests = run(260, new SizingAdvice(cluster));

    assertEquals(List.of(2), cluster.sizes);
    assertEquals(1500, requests.get(0).getRatePerS(), 1e-6);
    assertEquals(SymptomKind.OVER_PROVISIONED, requests.get(0).getSymptoms(0).getKind());
    assertTrue(cluster.updates.get(0)
        .isAfter(SimulatedCluster.START.plus(Duration.ofMinutes(160))), cluster.updates::toString);
    assertFalse(cluster.isHeldBack());
    assertSaid("scale down helped");
  }

  @Test
  void aTopologyThatWasDeactivatedKeepsItsInstances() throws Exception {
    on(new SimulatedCluster(2, 8));
    // It is activated again in the middle of a minute.
    cluster.offeredPerS = minute -> minute < 100 ? 0 : minute == 100 ? 1500 : 6000;

    run(140, new SizingAdvice(cluster));

    assertEquals(List.of(), cluster.updates);
  }

  @Test
  void nothingIsTakenAwayAfterAnHourOfWhichNobodyKnowsTheLoad() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.offeredPerS = minute -> {
      cluster.metricsFailure = minute < 20 || minute > 80
          ? null : new IllegalStateException("connection refused");
      return 1500;
    };

    run(160, new SizingAdvice(cluster));

    assertEquals(List.of(2), cluster.sizes);
    assertTrue(cluster.updates.get(0)
        .isAfter(SimulatedCluster.START.plus(Duration.ofMinutes(140))), cluster.updates::toString);
  }

  @Test
  void instancesThatAreMissedLaterAreNotTakenAwayOverAndOver() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.offeredPerS = minute -> 1500;
    // Two instances carry 1,050 tuples/s, and seem to carry 2,000; buffers hide it for 15 minutes.
    cluster.unmeasuredS = 0.9e-3;
    cluster.buffers = 15 * 60 * 450;
    SizingAdvice sizing = new SizingAdvice(cluster);

    List<AdviseRequest> requests = run(12 * 60, request ->
        request.getSymptoms(0).getKind() == SymptomKind.BACK_PRESSURE
            ? AdviseResponse.newBuilder()
                .addActions(SizingAdvice.scaling(cluster, Map.of("count", 2))).build()
            : sizing.apply(request));

    // What was taken away from eight and from four in turn; the bridge is told and might know better.
    assertEquals(List.of(2, 4, 2, 4), cluster.sizes);
    assertEquals(ActionOutcome.DID_NOT_HELP, requests.get(1).getPastActions(0).getOutcome());
    assertSaid("scale down took away what is missing now");
  }

  @Test
  void nothingIsTakenAwayWhereThatIsTurnedOff() throws Exception {
    on(new SimulatedCluster(2, 8));
    settings.put("heron.health.bridge.scale.down.after.ms", "never");

    assertEquals(0, run(150, new SizingAdvice(cluster)).size());
  }

  @Test
  void aLoadThatSwingsDoesNotTakeTheTopologyAlong() throws Exception {
    cluster.offeredPerS = minute -> minute / 7 % 2 == 0 ? 4000 : 300;

    run(24 * 60, new SizingAdvice(cluster));

    for (int i = 1; i < cluster.updates.size(); i++) {
      assertFalse(cluster.updates.get(i).isBefore(cluster.updates.get(i - 1).plus(COOLDOWN)),
          cluster.updates::toString);
    }
    List<Integer> sorted = new ArrayList<>(cluster.sizes);
    Collections.sort(sorted);
    assertEquals(sorted, cluster.sizes, "it is never scaled down: an hour has a peak in it");
    assertEquals(5, cluster.counts());
  }

  @Test
  void thereIsAtMostOneActionInTheCooldown() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    // One instance at a time: too little, and a different action each time.
    List<AdviseRequest> requests = run(100, request -> AdviseResponse.newBuilder()
        .addActions(SizingAdvice.scaling(cluster, Map.of("count", 1))).build());

    assertEquals(List.of(3, 4), cluster.sizes.subList(0, 2));
    for (int i = 1; i < cluster.updates.size(); i++) {
      assertFalse(cluster.updates.get(i).isBefore(cluster.updates.get(i - 1).plus(COOLDOWN)),
          cluster.updates::toString);
    }
    assertEquals(1, requests.get(1).getPastActionsCount());
    assertEquals(ActionOutcome.DID_NOT_HELP, requests.get(1).getPastActions(0).getOutcome());
    assertEquals(Map.of("word", 2, "count", 2), requests.get(1).getPastActions(0).getBeforeMap());
    assertEquals(Map.of("word", 2, "count", 3), requests.get(1).getPastActions(0).getAfterMap());
    assertTrue(requests.get(1).getNowS() - requests.get(1).getPastActions(0).getAtS() >= 600);
  }

  @Test
  void anInstanceThatIsSlowIsNamedAndItsContainerRestarted() throws Exception {
    on(new SimulatedCluster(2, 4));
    cluster.offeredPerS = minute -> 2000;
    cluster.slowness = 4;

    List<AdviseRequest> requests = run(60, request -> AdviseResponse.newBuilder()
        .addActions(Action.newBuilder()
            .setKind(ActionKind.RESTART_INSTANCE)
            .setFingerprint("restart 1")
            .setDescription("restart container 1")
            .putAllParallelism(Map.of("word", 2, "count", 4))
            .setContainerId(1)
            .setProbability(0.8)
            .setChosen(true))
        .build());

    assertEquals(List.of(SymptomKind.BACK_PRESSURE, SymptomKind.SLOW_INSTANCE),
        requests.get(0).getSymptomsList().stream()
            .map(symptom -> symptom.getKind()).collect(Collectors.toList()));
    assertEquals(1, requests.get(0).getSymptoms(1).getTaskIdsCount());
    assertEquals(List.of(1), cluster.restarts);
    assertEquals(List.of(), cluster.updates);
    assertSaid("restart instance helped");
  }

  @Test
  void severalBottlenecksAtOnceAreAskedAbout() throws Exception {
    IDetector both = new IDetector() {
      private ExecutionContext context;

      @Override
      public void initialize(ExecutionContext executionContext) {
        context = executionContext;
      }

      @Override
      public Collection<Symptom> detect(Collection<Measurement> measurements) {
        return List.of(symptom("count"), symptom("word"));
      }

      private Symptom symptom(String component) {
        return new Symptom(
            HeronHealth.COMPONENT_BACK_PRESSURE, context.checkpoint(), List.of(component));
      }
    };

    List<AdviseRequest> requests = run(20, request -> nothing(request, "no."), both);

    assertEquals(2, requests.get(0).getSymptomsCount());
    assertFalse(lines.stream().anyMatch(line -> line.contains("Multiple back-pressure")));
  }

  // What is refused

  @Test
  void whenNothingHelpsNothingIsDoneAndTheReasonIsSaid() throws Exception {
    cluster.offeredPerS = minute -> 4000;

    List<AdviseRequest> requests = run(60, request ->
        nothing(request, "No parallelism helps: one key carries 40 % of the tuples."));

    assertEquals(List.of(), cluster.updates);
    assertTrue(requests.size() > 10, "the load may change, so it is asked again");
    assertSaid("nothing is done");
    assertSaid("one key carries 40 %");
    assertTrue(actions.size() > 10);
    for (com.microsoft.dhalion.core.Action action : actions) {
      assertEquals(AdvisedResolver.NOT_DEPLOYED, action.type());
      assertTrue(action.assignments().iterator().next().contains("one key carries 40 %"));
    }
  }

  @Test
  void whatDidNotHelpIsNotRepeatedWhateverTheBridgeSays() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    List<AdviseRequest> requests = run(120, request -> AdviseResponse.newBuilder()
        // The same change under one fingerprint, of a component that is no bottleneck.
        .addActions(SizingAdvice.scaling(cluster, Map.of("word", 1)).setFingerprint("same"))
        .build());

    assertEquals(1, cluster.updates.size());
    assertTrue(requests.size() > 1);
    assertSaid("did not help and will not be repeated");
    assertSaid("not done, because it was done before and did not help");
  }

  @ParameterizedTest
  @CsvSource({"0.95, 1", "0.96, 0"})
  void anActionHasToBeAsLikelyToHelpAsTheOperatorWants(String wanted, int updates) throws Exception {
    cluster.offeredPerS = minute -> 4000;
    settings.put("heron.health.bridge.probability", wanted);

    run(40, new SizingAdvice(cluster));

    assertEquals(updates, cluster.updates.size());
  }

  @Test
  void inShadowModeAdviceIsOnlyLogged() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    settings.put("heron.health.bridge.mode", "shadow");

    run(40, new SizingAdvice(cluster));

    assertEquals(List.of(), cluster.updates);
    assertSaid("scale {count=2, word=2} to {count=5, word=2}");
    assertSaid("not done, because heron.health.bridge.mode is shadow");
  }

  @Test
  void inShadowModeAPlanThatCouldNotBeDeployedIsNamed() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    settings.put("heron.health.bridge.mode", "shadow");

    run(15, request -> nonsense("damaged plan"));

    assertSaid("the bridge's plan is not one that Heron may have");
    assertFalse(lines.stream().anyMatch(line -> line.contains("mode is shadow")));
  }

  @ParameterizedTest
  @ValueSource(strings = {
      "two chosen", "no plan", "damaged plan", "lacks an instance", "same plan", "other topology",
      "forgets a component", "unknown kind", "no fingerprint", "unknown container", "container -1", "not a number", "an error"})
  void anAnswerThatMakesNoSenseChangesNothing(String what) throws Exception {
    cluster.offeredPerS = minute -> 4000;

    List<AdviseRequest> requests = run(15, request -> nonsense(what));

    assertTrue(requests.size() > 5);
    assertEquals(List.of(), cluster.updates);
    assertEquals(List.of(), cluster.restarts);
    assertEquals(List.of(AdvisedResolver.NOT_DEPLOYED), typesOfActions());
    assertFalse(lines.stream().anyMatch(line -> line.contains("\n")), lines::toString);
  }

  private AdviseResponse nonsense(String what) {
    Action.Builder good = SizingAdvice.scaling(cluster, Map.of("count", 3));
    AdviseResponse.Builder answer = AdviseResponse.newBuilder();
    switch (what) {
      case "two chosen":
        return answer.addActions(good).addActions(good).build();
      case "no plan":
        return answer.addActions(good.clearPlan()).build();
      case "damaged plan":
        return answer.addActions(good.setPlan(good.getPlan().substring(3))).build();
      case "lacks an instance":
        return answer.addActions(good.putParallelism("count", 6)).build();
      case "same plan":
        return answer.addActions(SizingAdvice.scaling(cluster, Map.of())).build();
      case "other topology":
        return answer.addActions(good.setPlan(plan(good).toBuilder().setId("Other\nOne").build()
            .toByteString())).build();
      case "forgets a component":
        return answer.addActions(good.removeParallelism("word").setPlan(without(plan(good), "word")
            .toByteString())).build();
      case "unknown kind":
        return answer.addActions(good.setKindValue(99)).build();
      case "no fingerprint":
        return answer.addActions(good.clearFingerprint()).build();
      case "unknown container":
        return answer.addActions(
            good.setKind(ActionKind.RESTART_INSTANCE).setContainerId(9)).build();
      case "container -1":
        return answer.addActions(
            good.setKind(ActionKind.RESTART_INSTANCE).setContainerId(-1)).build();
      case "not a number":
        return answer.addActions(good.setProbability(Double.NaN)).build();
      default:
        throw new IllegalStateException("nothing is known of the time per tuple of 'count'");
    }
  }

  private static PackingPlan without(PackingPlan plan, String component) {
    PackingPlan.Builder rest = plan.toBuilder();
    for (org.heronbridge.wire.ContainerPlan.Builder container
        : rest.getContainerPlansBuilderList()) {
      List<org.heronbridge.wire.InstancePlan> kept = container.getInstancePlansList().stream()
          .filter(instance -> !instance.getComponentName().equals(component))
          .collect(Collectors.toList());
      container.clearInstancePlans().addAllInstancePlans(kept);
    }
    return rest.build();
  }

  private static PackingPlan plan(Action.Builder action) {
    try {
      return PackingPlan.parseFrom(action.getPlan());
    } catch (com.google.protobuf.InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
  }

  // What fails

  @Test
  void withoutABridgeNothingIsDone() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    try (AdvisingBridge gone = AdvisingBridge.start(null)) {
      settings.put("heron.packing.bridge.address", gone.address());
    }
    settings.put("heron.packing.bridge.timeout.ms", 1000);

    run.drive(10);

    assertEquals(List.of(), cluster.updates);
    assertSaid("cannot be reached");
    assertSaid("take the policy out of healthmgr.yaml");
  }

  @Test
  void aBridgeThatDoesNotAnswerInTimeIsNotWaitedFor() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    settings.put("heron.packing.bridge.timeout.ms", 1000);

    List<AdviseRequest> requests = run(10, null);

    assertTrue(requests.size() > 1);
    assertEquals(List.of(), cluster.updates);
    assertSaid("did not answer in 1000 ms");
  }

  @Test
  void withoutMetricsNothingIsDoneUntilTheyAreBack() throws Exception {
    cluster.offeredPerS = minute -> {
      cluster.metricsFailure = minute < 30
          ? new IllegalStateException("connection refused") : null;
      return 4000;
    };

    List<AdviseRequest> requests = run(60, new SizingAdvice(cluster));

    assertSaid("LoadSensor failed: connection refused");
    assertEquals(1, lines.stream().filter(line -> line.contains("connection refused")).count());
    assertEquals(1, requests.size());
    assertFalse(cluster.updates.get(0)
        .isBefore(SimulatedCluster.START.plus(Duration.ofMinutes(30))));
    assertEquals(List.of(5), cluster.sizes);
  }

  @Test
  void whatSomeInstancesCountIsNotTakenForTheLoad() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.offeredPerS = minute -> 6000;
    cluster.silentContainer = 2;

    assertEquals(0, run(150, new SizingAdvice(cluster)).size());

    assertSaid("the source of metrics has no counters of task ");
    assertEquals(List.of(), cluster.updates);
  }

  @Test
  void anIdleInstanceIsNoneWhoseCountersAreMissing() throws Exception {
    on(new SimulatedCluster(2, 8));
    cluster.global = true;
    cluster.offeredPerS = minute -> 2000;

    assertFalse(run(30, new SizingAdvice(cluster)).isEmpty());
  }

  @ParameterizedTest
  @ValueSource(strings = {"sensor", "detector", "diagnoser"})
  void aPartThatIsNotNeededMayFail(String part) throws Exception {
    cluster.offeredPerS = minute -> 4000;
    try (AdvisingBridge bridge = AdvisingBridge.start(new SizingAdvice(cluster))) {
      settings.put("heron.packing.bridge.address", bridge.address());
      ISensor sensor = new ISensor() {
        @Override
        public Collection<Measurement> fetch() {
          return failing(part.equals("sensor"));
        }
      };
      IDetector detector = new IDetector() {
        @Override
        public Collection<Symptom> detect(Collection<Measurement> measurements) {
          return failing(part.equals("detector"));
        }
      };
      IDiagnoser diagnoser = new IDiagnoser() {
        @Override
        public Collection<Diagnosis> diagnose(Collection<Symptom> symptoms) {
          return failing(part.equals("diagnoser"));
        }
      };
      run.drive(40, run.policy(SimulatedCluster.backPressureDetector(),
          new ISensor[] {sensor}, new IDetector[] {detector}, new IDiagnoser[] {diagnoser}));
    }

    assertEquals(List.of(5), cluster.sizes);
    assertSaid("NoClassDefFoundError: tech/tablesaw/api/Table");
  }

  private static <T> Collection<T> failing(boolean fails) {
    if (fails) {
      throw new NoClassDefFoundError("tech/tablesaw/api/Table");
    }
    return null;
  }

  @Test
  void partsThatFailAreNamedOnceEach() throws Exception {
    ISensor[] sensors = new ISensor[2];
    for (int i = 0; i < sensors.length; i++) {
      String what = "no class " + i;
      sensors[i] = new ISensor() {
        @Override
        public Collection<Measurement> fetch() {
          throw new NoClassDefFoundError(what);
        }
      };
    }

    run.drive(10, run.policy(SimulatedCluster.backPressureDetector(), sensors, new IDetector[0],
        new IDiagnoser[0]));

    assertEquals(2, lines.stream().filter(line -> line.contains("no class")).count());
  }

  @Test
  void afterAnotherPolicyRestartedAContainerTheTopologyIsMeasuredAnew() throws Exception {
    cluster.offeredPerS = minute -> {
      if (minute == 4) {
        run.events.onEvent(new ContainerRestart(cluster.instant(), List.of("1")));
      }
      return 4000;
    };

    List<AdviseRequest> requests = run(40, new SizingAdvice(cluster));

    assertSaid("another policy restarted a container");
    assertTrue(requests.get(0).getNowS() >= (4 + 7) * 60, requests.get(0)::toString);
    assertEquals(List.of(5), cluster.sizes);
  }

  @Test
  void aClockThatIsSetBackKeepsThePolicyFromNothing() throws Exception {
    cluster.offeredPerS = minute -> {
      if (minute == 3) {
        cluster.clockOff = Duration.ofHours(-5);
      }
      return 4000;
    };

    run(60, new SizingAdvice(cluster));

    assertEquals(List.of(5), cluster.sizes);
    assertSaid("scale up helped");
  }

  @Test
  void whenTheSchedulersPartLacksAClassItIsAskedTwiceToo() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    cluster.schedulerError = new NoClassDefFoundError("io/kubernetes/client/ApiClient");

    run(60, new SizingAdvice(cluster));

    assertEquals(2, cluster.updates.size());
    assertSaid("failed: NoClassDefFoundError: io/kubernetes/client/ApiClient");
  }

  @Test
  void whatTheSchedulerRefusesIsTriedOnceMoreAndThenNoLonger() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    cluster.schedulerWorks = false;

    run(120, new SizingAdvice(cluster));

    assertEquals(2, cluster.updates.size());
    assertFalse(cluster.updates.get(1).isBefore(cluster.updates.get(0).plus(COOLDOWN)));
    assertEquals(2, cluster.counts());
    assertSaid("failed: the scheduler did not update the topology");
    assertSaid("not done, because the scheduler refused it before");
  }

  @Test
  void afterSomebodyElsesUpdateTheTopologyIsMeasuredAnew() throws Exception {
    cluster.offeredPerS = minute -> {
      if (minute == 4) {
        cluster.deploy(cluster.scaled(Map.of("count", 1)));
      }
      return 4000;
    };

    List<AdviseRequest> requests = run(40, new SizingAdvice(cluster));

    assertSaid("the plan was changed, not by this policy");
    // Ours is the second.
    assertEquals(2, announced.size());
    assertTrue(announced.get(1).isAfter(announced.get(0).plus(Duration.ofMinutes(5))));
    assertEquals(3000, requests.get(0).getComponents(0).getTuplesPerS(), 1e-6);
    assertEquals(List.of(5), cluster.sizes);
  }

  @ParameterizedTest
  @CsvSource({
      "heron.health.bridge.headroom, 20",
      "heron.health.bridge.probability, high",
      "heron.health.bridge.probability, 1.0",
      "heron.health.bridge.window.ms, 10800001",
      "heron.health.bridge.cooldown.ms, 0",
      "heron.health.bridge.window.ms, 60000",
      "heron.health.bridge.scale.down.after.ms, soon",
      "heron.health.bridge.mode, off",
      "heron.packing.bridge.address, nowhere"})
  void aSettingThatMakesNoSenseIsNamedAndNothingIsDone(String key, String value) throws Exception {
    cluster.offeredPerS = minute -> 4000;
    try (AdvisingBridge bridge = AdvisingBridge.start(new SizingAdvice(cluster))) {
      settings.put("heron.packing.bridge.address", bridge.address());
      settings.put(key, value);
      run.drive(20);
      assertEquals(0, bridge.requests.size());
    }
    assertEquals(List.of(), cluster.updates);
    assertSaid(key + " is '" + value + "'");
  }

  // What Dhalion relies on

  @Test
  void theIntervalIsKept() throws Exception {
    settings.put("health.policy.interval.ms", "45000");
    AtomicLong elapsedNs = new AtomicLong(5);
    run.elapsedNs = elapsedNs::get;
    BridgeHealthPolicy policy =
        run.policy(SimulatedCluster.backPressureDetector(), new ISensor[0], new IDetector[0],
            new IDiagnoser[0]);
    assertEquals(Duration.ZERO, policy.getDelay());

    run.drive(1, policy);

    assertEquals(Duration.ofSeconds(45), policy.getDelay());
    elapsedNs.addAndGet(Duration.ofSeconds(44).toNanos());
    assertEquals(Duration.ofSeconds(1), policy.getDelay());
    elapsedNs.addAndGet(Duration.ofSeconds(2).toNanos());
    assertEquals(Duration.ZERO, policy.getDelay());
  }

  @Test
  void twoPoliciesInOneJvmDoNotMeet() throws Exception {
    cluster.offeredPerS = minute -> 4000;
    try (PolicyRun other = new PolicyRun();
        AdvisingBridge bridge = AdvisingBridge.start(new SizingAdvice(other.cluster))) {
      other.cluster.offeredPerS = minute -> 8000;
      other.settings.put("heron.packing.bridge.address", bridge.address());
      other.settings.put("heron.health.bridge.mode", "shadow");
      FutureTask<Void> meanwhile = new FutureTask<>(() -> {
        other.drive(60);
        return null;
      });
      new Thread(meanwhile).start();

      List<AdviseRequest> requests = run(60, new SizingAdvice(cluster));
      meanwhile.get();

      assertEquals(List.of(5), cluster.sizes);
      assertEquals(List.of(), other.cluster.sizes);
      assertEquals(1, requests.size());
      assertTrue(bridge.requests.size() > 10);
      assertEquals(List.of(), other.announced);
    }
  }

  @Test
  void dhalionGetsNothingThatItWouldLogAsTooOld() throws Exception {
    run(5, new SizingAdvice(cluster));

    assertFalse(run.measurements.isEmpty());
    for (Measurement measurement : run.measurements) {
      assertEquals(HeronHealth.BACK_PRESSURE_MS, measurement.type());
    }
  }

  private static AdviseResponse nothing(AdviseRequest request, String reason) {
    return AdviseResponse.newBuilder()
        .addActions(Action.newBuilder()
            .setKind(ActionKind.SCALE_UP)
            .setFingerprint("f")
            .setDescription("scale count to 4")
            .setProbability(0.01)
            .addReasons(reason))
        .build();
  }

  private void assertSaid(String words) {
    assertTrue(lines.stream().anyMatch(line -> line.contains(words)),
        () -> words + " is not in\n" + String.join("\n", lines));
  }

  private List<String> typesOfActions() {
    return actions.stream().map(action -> action.type()).distinct().collect(Collectors.toList());
  }

  /** Requests of a run with a bridge that answers so. */
  private List<AdviseRequest> run(int minutes, Function<AdviseRequest, AdviseResponse> advice)
      throws Exception {
    return run(minutes, advice, SimulatedCluster.backPressureDetector());
  }

  private List<AdviseRequest> run(
      int minutes, Function<AdviseRequest, AdviseResponse> advice, IDetector detector)
      throws Exception {
    try (AdvisingBridge bridge = AdvisingBridge.start(advice)) {
      settings.put("heron.packing.bridge.address", bridge.address());
      run.drive(minutes, detector);
      return bridge.requests;
    }
  }

  private void on(SimulatedCluster another) {
    run.cluster = another;
    cluster = another;
  }
}
