package org.heronbridge;

import static org.heronbridge.Plans.container;
import static org.heronbridge.Plans.instance;
import static org.heronbridge.Plans.plan;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.twitter.heron.common.basics.ByteAmount;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import io.grpc.Status;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.heronbridge.driver.DealingPacking;
import org.heronbridge.driver.Topologies;
import org.heronbridge.wire.PackRequest;
import org.heronbridge.wire.PlanResponse;
import org.heronbridge.wire.PlanningContext;
import org.heronbridge.wire.RepackRequest;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What Heron sees of the plugin, with a real server behind it. */
@Timeout(120)
class BridgePackingTest {

  /** Milliseconds that no test waits for on purpose, so that a slow machine has them to spare. */
  private static final long PLENTY_MS = 20_000;

  private final Map<String, Object> settings = new HashMap<>();
  private final List<String> lines = new CopyOnWriteArrayList<>();
  private final List<Level> levels = new CopyOnWriteArrayList<>();
  private final ByteArrayOutputStream stdout = new ByteArrayOutputStream();
  private final PrintStream originalStdout = System.out;
  private final Handler handler = new Handler() {
    @Override
    public void publish(LogRecord record) {
      lines.add(record.getMessage());
      levels.add(record.getLevel());
    }

    @Override
    public void flush() {
    }

    @Override
    public void close() {
    }
  };

  @TempDir
  private Path directory;

  @BeforeEach
  void listen() {
    set("timeout.ms", PLENTY_MS);
    set("fallback.packing", DealingPacking.class.getName());
    set("fallback.repacking", DealingPacking.class.getName());
    Logger.getLogger(BridgePacking.class.getName()).addHandler(handler);
    System.setOut(new PrintStream(stdout, true, StandardCharsets.UTF_8));
  }

  @AfterEach
  void nothingIsLeftBehind() {
    Logger.getLogger(BridgePacking.class.getName()).removeHandler(handler);
    System.setOut(originalStdout);
    assertEquals("", stdout.toString(StandardCharsets.UTF_8), "stdout");
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      assertTrue(thread.isDaemon() || !thread.getName().startsWith("heron-bridge"),
          thread.getName());
    }
  }

  // What is asked

  @Test
  void theRequestSaysWhatPlanningNeeds() throws Exception {
    set("objective", "latency");
    set("target.rate", 25_000);
    set("profile", "wordcount");
    set("containers", "fixed");
    set("headroom", 0);
    set("probability", "0.8");
    set("effort", "quick");
    set("spread.components", false);
    settings.put("heron.config.cluster", "prod");
    settings.put("heron.config.role", "analytics");
    settings.put("heron.config.environ", "live");
    settings.put("heron.config.dry_run", true);
    settings.put("heron.class.scheduler", "com.twitter.heron.scheduler.local.LocalScheduler");
    settings.put("heron.resources.instance.ram", ByteAmount.fromGigabytes(3));
    settings.put("heron.resources.instance.cpu", 0.5);
    settings.put("heron.resources.instance.disk", 4_000_000_000L);
    settings.put("heron.statemgr.connection.string", "zk://user:secret@host");
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      pack(bridge);

      PackRequest request = bridge.packs.get(0);
      PlanningContext context = request.getContext();
      assertEquals(1, context.getCaller().getContractRevision());
      assertTrue(context.getCaller().getSoftware().matches("heron-bridge-plugin/\\d+\\.\\d+.*"),
          context.getCaller().getSoftware());
      assertEquals("prod", context.getCaller().getCluster());
      assertEquals("analytics", context.getCaller().getRole());
      assertEquals("live", context.getCaller().getEnviron());
      assertEquals("com.twitter.heron", context.getCaller().getHeronFlavour());
      assertEquals("com.twitter.heron.scheduler.local.LocalScheduler",
          context.getCaller().getSchedulerClass());
      assertEquals("latency", context.getOptions().getObjective());
      assertEquals(25_000, context.getOptions().getTargetRatePerS());
      assertEquals("wordcount", context.getOptions().getProfile());
      assertEquals("fixed", context.getOptions().getContainers());
      // What is stated travels, also where it is the value of an absent field.
      assertTrue(context.getOptions().hasHeadroom());
      assertEquals(0, context.getOptions().getHeadroom());
      assertEquals(0.8, context.getOptions().getProbability());
      assertEquals("quick", context.getOptions().getEffort());
      assertTrue(context.getOptions().hasSpreadComponents());
      assertFalse(context.getOptions().getSpreadComponents());
      assertTrue(context.getDryRun());
      assertEquals(Map.of(
          "heron.resources.instance.ram", "3221225472",
          "heron.resources.instance.cpu", "0.5",
          "heron.resources.instance.disk", "4000000000"), context.getConfigMap());
      assertEquals(DealingPacking.class.getName(), context.getFallback().getPackingClass());
      assertEquals("", context.getFallback().getFailure());
      assertEquals(Plans.message(Plans.dealt(2, 2, 2)), TestBridge.fallbackIn(context));
      assertFalse(request.toString().contains("secret"), request::toString);
    }
  }

  @Test
  void aRepackNamesThePlanThatRunsAndTheChange() throws Exception {
    PackingPlan current = Plans.dealt(2, 2, 2).cloneWithHomogeneousScheduledResource();
    try (TestBridge bridge = TestBridge.start().answering(plan(
        container(1, instance("word", 1, 0), instance("count", 2, 0)),
        container(2, instance("word", 3, 1), instance("count", 4, 1)),
        container(3, instance("count", 5, 2))))) {
      PackingPlan plan = repack(bridge, current, 3, Map.of("count", 1));

      assertEquals(3, plan.getContainers().size());
      RepackRequest request = bridge.repacks.get(0);
      assertEquals(Plans.message(current),
          org.heronbridge.wire.PackingPlan.parseFrom(request.getCurrentPlan()));
      assertTrue(org.heronbridge.wire.PackingPlan.parseFrom(request.getCurrentPlan())
          .getContainerPlans(0).hasScheduledResource());
      assertEquals(ByteString.copyFrom(MessageDigest.getInstance("SHA-256")
          .digest(request.getCurrentPlan().toByteArray())), request.getCurrentPlanSha256());
      assertEquals(Map.of("count", 1), request.getComponentDeltasMap());
      assertEquals(3, request.getContainerCount());
    }
  }

  @Test
  void aRepackWithoutChangeOrNumberIsPossible() throws Exception {
    PackingPlan current = Plans.dealt(2, 2, 2);
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      BridgePacking packing = plugin(bridge.address());
      PackingPlan plan = packing.repack(current, null);
      packing.close();

      assertEquals(Plans.sideBySide(), ordered(plan));
      assertEquals(0, bridge.repacks.get(0).getContainerCount());
      assertEquals(Map.of(), bridge.repacks.get(0).getComponentDeltasMap());
    }
  }

  @Test
  void whatAnUpdateRestartsIsSaid() throws Exception {
    PlanResponse.Builder told = TestBridge.response(Plans.sideBySide()).toBuilder();
    told.getReportBuilder().getCandidatesBuilder(0).getDisruptionBuilder().setMovedInstances(4);
    told.getReportBuilder().getCandidatesBuilder(1).getDisruptionBuilder().setMovedInstances(1);
    try (TestBridge bridge = TestBridge.start().answering(context -> told.build())) {
      repack(bridge, Plans.dealt(2, 2, 2), 0, Map.of());
      assertLine(Level.INFO, "heron-bridge: repack WordCount: planner stream_affinity, .*,"
          + " cross traffic 62 % \\(Heron: 91 %\\), restarts 1 running instance \\(Heron: 4\\),"
          + " \\d+ ms");
    }
  }

  // Modes

  @Test
  void activeReturnsTheBridgesPlanAndSaysWhy() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
      assertLine(Level.INFO, "heron-bridge: pack WordCount: planner stream_affinity, 2 containers"
          + " \\(Heron: 2\\), carries 1\\.8x the offered load \\(Heron: 1\\.2x\\), cross traffic 62 %"
          + " \\(Heron: 91 %\\), \\d+ ms");
    }
  }

  @Test
  void shadowReturnsHeronsPlanAndSaysWhatTheBridgeHas() throws Exception {
    set("mode", "shadow");
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertLine(Level.INFO, "heron-bridge: pack WordCount \\(shadow\\): the bridge has planner"
          + " stream_affinity, 2 containers .*; used: DealingPacking's 2 containers, \\d+ ms");
    }
  }

  @Test
  void aShadowOfABridgeThatIsDownChangesNothing() throws Exception {
    set("mode", "shadow");
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + freePort()));
    assertLine(Level.WARNING, ".*cannot be reached.*");
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "OFF", "false"})
  void offDoesNotAsk(String off) throws Exception {
    set("mode", off);
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertEquals(List.of(), bridge.packs);
    }
  }

  @Test
  void offAsYamlReadsIt() throws Exception {
    set("mode", false);
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + freePort()));
    assertLine(Level.INFO, "heron-bridge: pack WordCount \\(off\\): DealingPacking, 2 containers.*");
  }

  @Test
  void offPassesHeronsOwnExceptionOn() {
    set("mode", "off");
    set("fallback.packing", Fallbacks.Refusing.class.getName());
    assertEquals("not enough RAM",
        assertThrows(PackingException.class, () -> pack("localhost:1")).getMessage());
  }

  // The bridge fails

  @Test
  void aBridgeThatIsDownDoesNotCostTheTimeout() throws Exception {
    int port = freePort();
    long start = System.nanoTime();
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + port));
    assertTrue(millisSince(start) < PLENTY_MS / 2, () -> millisSince(start) + " ms");
    assertLine(Level.WARNING, "heron-bridge: pack WordCount: planner DealingPacking \\(fallback\\),"
        + " 2 containers, \\d+ ms, because the bridge at localhost:" + port + " cannot be reached"
        + " \\(.*refused.*\\)\\. Start the bridge at localhost:" + port
        + ", or set heron.packing.bridge.mode: off");
  }

  @Test
  void aBridgeThatNeverAnswersCostsTheTimeout() throws Exception {
    set("timeout.ms", 1000);
    try (TestBridge bridge = TestBridge.start()) {
      long start = System.nanoTime();
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertInTime(start, 1000);
      assertLine(Level.WARNING, ".*did not answer in 1000 ms.*timeout.ms.*");
    }
  }

  @Test
  void aPortThatNeverSpeaksCostsTheTimeout() throws Exception {
    set("timeout.ms", 1000);
    try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      long start = System.nanoTime();
      assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + silent.getLocalPort()));
      assertInTime(start, 1000);
    }
  }

  @Test
  void anAddressThatNothingComesBackFromCostsTheTimeout() throws Exception {
    set("timeout.ms", 1000);
    long start = System.nanoTime();
    assertEquals(Plans.dealt(2, 2, 2), pack("192.0.2.1:50550"));
    assertInTime(start, 1000);
  }

  @Test
  void anAddressThatNobodyKnows() throws Exception {
    assertEquals(Plans.dealt(2, 2, 2), pack("bridge.invalid:50550"));
    assertLine(Level.WARNING, ".*no address is known for host bridge.invalid.*");
  }

  @Test
  void aPortThatSpeaksGibberish() throws Exception {
    set("timeout.ms", 3000);
    try (ServerSocket noise = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      Thread speaker = new Thread(() -> gibberish(noise));
      speaker.setDaemon(true);
      speaker.start();
      long start = System.nanoTime();
      assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + noise.getLocalPort()));
      assertInTime(start, 3000);
      assertEquals(Level.WARNING, levels.get(0));
    }
  }

  @Test
  void aSlowAnswerWithinTheTimeoutIsUsed() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(context -> {
      sleep(1500);
      return TestBridge.response(Plans.sideBySide());
    })) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
    }
  }

  @ParameterizedTest
  @CsvSource({
      "INVALID_ARGUMENT, refuses the request: the reason",
      "FAILED_PRECONDITION, does not fit this plugin: the reason",
      "UNIMPLEMENTED, does not fit this plugin: the reason",
      "RESOURCE_EXHAUSTED, 'is too busy, or the request too large: the reason'",
      "UNAUTHENTICATED, refuses the caller",
      "INTERNAL, failed with INTERNAL: the reason",
      "UNKNOWN, failed with UNKNOWN: the reason",
      "DEADLINE_EXCEEDED, did not answer in 20000 ms"})
  void aStatusIsTurnedIntoASentence(Status.Code code, String sentence) throws Exception {
    try (TestBridge bridge = TestBridge.start()
        .refusing(code.toStatus().withDescription("the\nreason").asRuntimeException())) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertEquals(1, bridge.packs.size());
      assertTrue(lines.get(0).contains(sentence), lines.get(0));
      assertEquals(Level.WARNING, levels.get(0));
    }
  }

  @Test
  void unavailableIsTriedAgain() throws Exception {
    // Once: the second attempt is made however long the first one took.
    try (TestBridge bridge = TestBridge.start()
        .answering(Plans.sideBySide())
        .refusing(Status.UNAVAILABLE.asRuntimeException())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
      assertEquals(2, bridge.packs.size());
    }
  }

  @Test
  void aBridgeThatComesUpMeanwhileIsUsed() throws Exception {
    int port = freePort();
    Thread late = new Thread(() -> {
      sleep(400);
      try (ServerSocket probe = new ServerSocket(port, 5, InetAddress.getLoopbackAddress())) {
        // Accepts and drops: not a bridge yet.
        probe.accept().close();
      } catch (java.io.IOException e) {
        throw new AssertionError(e);
      }
    });
    late.setDaemon(true);
    late.start();
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:" + port));
    late.join(5_000);
    assertFalse(late.isAlive(), "the plugin came back");
  }

  // The bridge answers what Heron must not have

  @Test
  void anInvalidPlanIsNotUsed() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(plan(
        container(1, instance("word", 1, 0), instance("word", 1, 1)),
        container(2, instance("count", 3, 0), instance("count", 4, 1))))) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertLine(Level.WARNING, ".*plan that Heron must not have: task id 1 is there twice.*");
    }
  }

  @Test
  void damagedBytesAreNotUsed() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(
        context -> TestBridge.response(ByteString.copyFromUtf8("garbage")))) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertLine(Level.WARNING, ".*damaged bytes.*");
    }
  }

  @Test
  void anEmptyAnswerIsNotUsed() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(
        context -> TestBridge.response(ByteString.EMPTY))) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
    }
  }

  @Test
  void theFallbacksPlanComesBackAsTheSamePlan() throws Exception {
    settings.put("heron.class.scheduler", "KubernetesScheduler");
    try (TestBridge bridge = TestBridge.start().answering(
        context -> TestBridge.response(TestBridge.fallbackIn(context)))) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertEquals(List.of(Level.INFO), levels);
    }
  }

  @Test
  void onKubernetesOnlyTheHighestContainerMayGo() throws Exception {
    settings.put("heron.class.scheduler",
        "com.twitter.heron.scheduler.kubernetes.KubernetesScheduler");
    PackingPlan current = Plans.dealt(2, 2, 2);
    try (TestBridge bridge = TestBridge.start().answering(plan(
        container(2, instance("word", 2, 1), instance("count", 4, 1))))) {
      repack(bridge, current, 0, Map.of("word", -1, "count", -1));
      assertLine(Level.WARNING, ".*numbers containers from 1 without gaps, the plan has \\[2\\].*");
    }
  }

  // The fallback fails

  @ParameterizedTest
  @ValueSource(classes = {
      Fallbacks.Refusing.class, Fallbacks.Broken.class, Fallbacks.Deep.class, Fallbacks.Empty.class,
      Fallbacks.Unrelated.class, BridgePacking.class, BridgePackingTest.class})
  void theBridgeStepsInForAFallbackThatFails(Class<?> fallback) throws Exception {
    set("fallback.packing", fallback.getName());
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
      assertTrue(bridge.packs.get(0).getContext().getFallback().getPlan().isEmpty());
      assertFalse(bridge.packs.get(0).getContext().getFallback().getFailure().isEmpty());
      assertLine(Level.INFO, ".* failed: .*");
    }
  }

  @Test
  void aFallbackThatCannotRepackByNumberIsSurvived() throws Exception {
    set("fallback.repacking", Fallbacks.TwoArguments.class.getName());
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(),
          ordered(repack(bridge, Plans.dealt(2, 2, 3), 2, Map.of())));
      assertTrue(bridge.repacks.get(0).getContext().getFallback().getFailure()
          .contains("cannot repack with a number of containers"));
    }
  }

  @Test
  void bothFailuresAreNamed() throws Exception {
    set("fallback.repacking", Fallbacks.TwoArguments.class.getName());
    try (TestBridge bridge = TestBridge.start()
        .refusing(Status.INVALID_ARGUMENT.withDescription("too many").asRuntimeException())) {
      PackingException e = assertThrows(PackingException.class,
          () -> repack(bridge, Plans.dealt(2, 2, 3), 2, Map.of()));
      assertTrue(e.getMessage().contains("cannot repack with a number of containers"), e.getMessage());
      assertTrue(e.getMessage().contains("refuses the request: too many"), e.getMessage());
    }
  }

  @Test
  void aFallbackThatHangsIsNotWaitedFor() throws Exception {
    set("timeout.ms", 4000);
    set("fallback.packing", Fallbacks.Hanging.class.getName());
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      long start = System.nanoTime();
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
      assertInTime(start, 4000);
      assertLine(Level.INFO, ".*Hanging was not ready.*");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"active", "shadow", "off"})
  void whenNobodyAnswersTheCallStillEnds(String mode) throws Exception {
    set("mode", mode);
    set("timeout.ms", 1000);
    set("fallback.packing", Fallbacks.Hanging.class.getName());
    try (TestBridge bridge = TestBridge.start()) {
      long start = System.nanoTime();
      assertThrows(PackingException.class, () -> pack(bridge));
      assertInTime(start, 1000);
    }
  }

  @Test
  void aFallbackThatIsSlowIsStillThereWhenTheBridgeFails() throws Exception {
    set("timeout.ms", 4000);
    set("fallback.packing", Fallbacks.Slow.class.getName());
    try (TestBridge bridge = TestBridge.start()) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertTrue(bridge.packs.get(0).getContext().getFallback().getFailure().contains("not ready"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"none", "None"})
  void withoutFallbackAFailureIsAnException(String none) {
    set("fallback.packing", none);
    PackingException e = assertThrows(PackingException.class, () -> pack("localhost:" + freePort()));
    assertTrue(e.getMessage().contains("Start the bridge"), e.getMessage());
  }

  @Test
  void withoutFallbackTheBridgeIsEnough() throws Exception {
    set("fallback.packing", "none");
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"shadow", "off"})
  void withoutFallbackOnlyActiveMakesSense(String mode) throws Exception {
    set("fallback.packing", "none");
    set("mode", mode);
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertThrows(PackingException.class, () -> pack(bridge));
    }
  }

  // Settings

  @ParameterizedTest
  @CsvSource({"address, not an address", "timeout.ms, soon", "timeout.ms, -5", "mode, sometimes",
      "target.rate, many", "containers, loose", "headroom, 20%", "probability, 1", "effort, hasty",
      "spread.components, some", "tls.cert, /some/cert.pem"})
  void aValueThatMakesNoSenseLeadsToTheFallback(String key, String value) throws Exception {
    set(key, value);
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      if (!settings.containsKey(PluginSettings.PREFIX + "address")) {
        set("address", bridge.address());
      }
      assertEquals(Plans.dealt(2, 2, 2), pack((String) null));
      assertEquals(List.of(), bridge.packs);
      assertLine(Level.WARNING, ".*heron\\.packing\\.bridge\\..*(is '" + value + "'|is not set).*");
    }
  }

  @Test
  void aMisspeltKeyIsMentioned() throws Exception {
    set("adress", "localhost:1");
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)));
      assertLine(Level.WARNING, ".*no such key: heron\\.packing\\.bridge\\.adress");
    }
  }

  // Safety

  @Test
  void errorsInsideBecomeTheFallback() throws Exception {
    List<Error> errors = List.of(new NoClassDefFoundError("io/grpc/Channel"),
        new OutOfMemoryError("Java heap space"), new StackOverflowError(), new ThreadDeath());
    for (Error error : errors) {
      BridgePacking packing = new BridgePacking() {
        @Override
        BridgeClient newClient(PluginSettings pluginSettings) {
          throw error;
        }
      };
      packing.initialize(config("localhost:1"), Topologies.wordCount(2, 2, 2));
      assertEquals(Plans.dealt(2, 2, 2), packing.pack());
      packing.close();
    }
    assertEquals(errors.size(), lines.size());
  }

  @Test
  void anInterruptIsKeptAndTheCallEnds() throws Exception {
    try (TestBridge bridge = TestBridge.start()) {
      BridgePacking packing = plugin(bridge.address());
      List<Object> outcome = new ArrayList<>();
      Thread caller = new Thread(() -> {
        try {
          outcome.add(packing.pack());
        } catch (PackingException e) {
          outcome.add(e);
        }
        outcome.add(Thread.currentThread().isInterrupted());
      });
      caller.start();
      sleep(800);
      caller.interrupt();
      caller.join(PLENTY_MS / 2);
      packing.close();
      assertEquals(List.of(Plans.dealt(2, 2, 2), true), outcome);
    }
  }

  @Test
  void onlyAPackingExceptionLeaves() {
    BridgePacking packing = new BridgePacking();
    assertThrows(PackingException.class, packing::pack);
    assertThrows(PackingException.class, () -> packing.initialize(null, null));
    packing.close();
    packing.close();
  }

  @Test
  void closeEndsEveryThread() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      BridgePacking packing = plugin(bridge.address());
      packing.pack();
      packing.pack();
      assertEquals(1, ours().size(), "one connection serves both calls: " + ours());
      packing.close();
      long until = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(PLENTY_MS);
      while (!ours().isEmpty() && System.nanoTime() < until) {
        sleep(20);
      }
      assertEquals(List.of(), ours());
    }
  }

  // Ways to connect

  @Test
  void aUnixSocket() throws Exception {
    File socket = directory.resolve("bridge.sock").toFile();
    try (TestBridge bridge = TestBridge.startUnix(socket).answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack("unix://" + socket)));
      assertEquals(List.of(Level.INFO), levels);
      assertEquals(1, bridge.packs.size());
    }
  }

  @Test
  void aUnixSocketThatIsNotThere() throws Exception {
    assertEquals(Plans.dealt(2, 2, 2), pack("unix://" + directory.resolve("none.sock")));
    assertLine(Level.WARNING, ".*cannot be reached.*");
  }

  @Test
  void aToken() throws Exception {
    Path token = directory.resolve("token");
    Files.writeString(token, "  s3cret\n");
    set("token.file", token.toString());
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      pack(bridge);
      assertEquals(List.of("Bearer s3cret"), bridge.authorizations);
      assertFalse(lines.toString().contains("s3cret"));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "two\nlines", "b\u00e4d"})
  void aTokenFileWithoutToken(String content) throws Exception {
    Path token = directory.resolve("token");
    Files.writeString(token, content);
    set("token.file", token.toString());
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertEquals(List.of(), bridge.packs);
      assertLine(Level.WARNING, ".*token\\.file.*holds no token.*");
    }
  }

  @Test
  void tlsWithCertificatesOnBothSides() throws Exception {
    TestCertificate server = TestCertificate.create(directory, "server");
    TestCertificate client = TestCertificate.create(directory, "client");
    set("tls.ca", server.certificate());
    set("tls.cert", client.certificate());
    set("tls.key", client.key());
    try (TestBridge bridge = TestBridge
        .startTls(server.certificate(), server.key(), client.certificate())
        .answering(Plans.sideBySide())) {
      assertEquals(Plans.sideBySide(), ordered(pack(bridge)), lines::toString);
    }
  }

  @Test
  void tlsWithAnUnknownServer() throws Exception {
    TestCertificate server = TestCertificate.create(directory, "server");
    TestCertificate other = TestCertificate.create(directory, "other");
    set("tls.ca", other.certificate());
    try (TestBridge bridge = TestBridge.startTls(server.certificate(), server.key(), null)
        .answering(Plans.sideBySide())) {
      assertEquals(Plans.dealt(2, 2, 2), pack(bridge));
      assertEquals(List.of(), bridge.packs);
      assertEquals(Level.WARNING, levels.get(0));
    }
  }

  @Test
  void tlsFilesThatAreNotThere() throws Exception {
    set("tls.ca", directory.resolve("none.pem"));
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:1"));
    assertLine(Level.WARNING, ".*TLS cannot be set up.*none\\.pem cannot be read.*");
  }

  @Test
  void tlsFilesThatHoldNoCertificate() throws Exception {
    Path file = directory.resolve("empty.pem");
    Files.writeString(file, "nothing");
    set("tls.ca", file);
    assertEquals(Plans.dealt(2, 2, 2), pack("localhost:1"));
    assertLine(Level.WARNING, ".*TLS cannot be set up.*");
  }

  @Test
  void objectsShareNothing() throws Exception {
    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      BridgePacking one = plugin(bridge.address());
      BridgePacking other = plugin(bridge.address());
      one.pack();
      one.close();
      assertEquals(Plans.sideBySide(), ordered(other.pack()));
      other.close();
      assertSame(2, bridge.packs.size());
    }
  }

  private void set(String key, Object value) {
    settings.put(PluginSettings.PREFIX + key, value);
  }

  private Config config(String address) {
    if (address != null) {
      set("address", address);
    }
    Config.Builder config = Config.newBuilder(true);
    settings.forEach(config::put);
    return Config.toLocalMode(config.build());
  }

  private BridgePacking plugin(String address) {
    BridgePacking packing = new BridgePacking();
    packing.initialize(config(address), Topologies.wordCount(2, 2, 2));
    return packing;
  }

  private PackingPlan pack(TestBridge bridge) {
    return pack(bridge.address());
  }

  private PackingPlan pack(String address) {
    BridgePacking packing = plugin(address);
    try {
      return packing.pack();
    } finally {
      packing.close();
    }
  }

  private PackingPlan repack(
      TestBridge bridge, PackingPlan current, int containers, Map<String, Integer> deltas) {
    BridgePacking packing = plugin(bridge.address());
    try {
      return containers == 0
          ? packing.repack(current, deltas) : packing.repack(current, containers, deltas);
    } finally {
      packing.close();
    }
  }

  /** The plan as a message; our plans keep the order of the answer. */
  private static org.heronbridge.wire.PackingPlan ordered(PackingPlan plan) {
    return Plans.message(plan);
  }

  private void assertLine(Level level, String pattern) {
    for (int i = 0; i < lines.size(); i++) {
      if (levels.get(i) == level && lines.get(i).matches(pattern)) {
        return;
      }
    }
    throw new AssertionError("no line at " + level + " like " + pattern + " in " + lines);
  }

  private static void assertInTime(long start, long timeoutMs) {
    assertTrue(millisSince(start) < timeoutMs + PLENTY_MS / 2, () -> millisSince(start) + " ms");
  }

  private static long millisSince(long start) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
  }

  private static List<String> ours() {
    List<String> names = new ArrayList<>();
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().startsWith("heron-bridge-network")) {
        names.add(thread.getName());
      }
    }
    Collections.sort(names);
    return names;
  }

  private static int freePort() throws java.io.IOException {
    try (ServerSocket socket = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  private static void gibberish(ServerSocket noise) {
    byte[] bytes = "SSH-2.0-OpenSSH_9.2\r\nno HTTP/2 here\r\n".getBytes(StandardCharsets.UTF_8);
    while (!noise.isClosed()) {
      try (Socket socket = noise.accept(); OutputStream out = socket.getOutputStream()) {
        for (int i = 0; i < 100; i++) {
          out.write(bytes);
        }
      } catch (java.io.IOException e) {
        // the plugin hangs up
      }
    }
  }

  private static void sleep(long ms) {
    try {
      Thread.sleep(ms);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
