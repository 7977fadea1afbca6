package org.heronbridge;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingPlan;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import org.heronbridge.wire.PackRequest;
import org.heronbridge.wire.PlanResponse;
import org.heronbridge.wire.PlanningContext;
import org.heronbridge.wire.RepackRequest;
import org.heronbridge.wire.Topology;

/** Turns one request of Heron into one request to the bridge, and the answer into a plan. */
final class BridgeCall {

  private final Config config;
  private final TopologyAPI.Topology heronTopology;
  private final PluginSettings settings;
  private final PackingTask task;
  private final FallbackPlan fallback;
  private final TimeBudget budget;

  private PackingPlan fallbackPlan;
  private org.heronbridge.wire.PackingPlan fallbackMessage;

  /**
   * A call.
   *
   * @param fallback Heron's own plan, which travels along; null when there is none
   * @param budget what the call may take
   */
  BridgeCall(
      Config config,
      TopologyAPI.Topology heronTopology,
      PluginSettings settings,
      PackingTask task,
      FallbackPlan fallback,
      TimeBudget budget) {
    this.config = config;
    this.heronTopology = heronTopology;
    this.settings = settings;
    this.task = task;
    this.fallback = fallback;
    this.budget = budget;
  }

  /**
   * Asks the bridge and checks what it says.
   *
   * @throws BridgeFailure when there is no answer, or none that may be used
   * @throws InvalidProtocolBufferException when Heron's topology cannot be read
   */
  BridgeAnswer ask(BridgeClient client)
      throws BridgeFailure, InvalidProtocolBufferException, InterruptedException {
    client.prepare();
    Topology topology = TopologyTrimmer.trim(heronTopology.toByteArray());
    byte[] current = task.isRepack() ? HeronPlans.toBytes(task.currentPlan()) : null;
    Map<String, String> defaults = HeronSettings.instanceDefaults(config);
    PlanningContext context = RequestContext.of(settings, defaults, topology)
        .setFallback(fallbackPart())
        .setDryRun(settings.heron("heron.config.dry_run").equalsIgnoreCase("true"))
        .build();
    PlanRequirements requirements = new PlanRequirements(
        topology,
        current == null ? null : org.heronbridge.wire.PackingPlan.parseFrom(current),
        task.deltas(),
        task.containerCount(),
        fallbackMessage,
        HeronSettings.instanceRam(defaults),
        settings.containersFree(),
        SchedulerRules.of(settings.heron("heron.class.scheduler")));
    PlanResponse response = current == null
        ? client.call(BridgeMethods.PACK, PackRequest.newBuilder().setContext(context).build(), budget)
        : client.call(BridgeMethods.REPACK, repackRequest(context, current), budget);
    return checked(response, requirements);
  }

  private RepackRequest repackRequest(PlanningContext context, byte[] current) {
    return RepackRequest.newBuilder()
        .setContext(context)
        .setCurrentPlan(ByteString.copyFrom(current))
        .setCurrentPlanSha256(ByteString.copyFrom(sha256(current)))
        .putAllComponentDeltas(task.deltas())
        .setContainerCount(task.containerCount())
        .build();
  }

  /** Waits for half of the time that is left, so that the bridge gets the other half. */
  private org.heronbridge.wire.FallbackPlan fallbackPart()
      throws InterruptedException, InvalidProtocolBufferException {
    org.heronbridge.wire.FallbackPlan.Builder part =
        org.heronbridge.wire.FallbackPlan.newBuilder();
    if (fallback == null) {
      return part.setFailure("none is configured").build();
    }
    part.setPackingClass(fallback.className());
    long waitMs = budget.leftMs() / 2;
    try {
      fallbackPlan = fallback.await(waitMs);
      ByteString plan = ByteString.copyFrom(HeronPlans.toBytes(fallbackPlan));
      fallbackMessage = org.heronbridge.wire.PackingPlan.parseFrom(plan);
      part.setPlan(plan).setTookMs(fallback.tookMs());
    } catch (ExecutionException e) {
      part.setFailure(Sentences.of(e.getCause())).setTookMs(fallback.tookMs());
    } catch (TimeoutException e) {
      part.setFailure("not ready after " + waitMs + " ms");
    }
    return part.build();
  }

  private BridgeAnswer checked(PlanResponse response, PlanRequirements requirements)
      throws BridgeFailure {
    org.heronbridge.wire.PackingPlan plan;
    try {
      plan = org.heronbridge.wire.PackingPlan.parseFrom(response.getPlan());
    } catch (InvalidProtocolBufferException e) {
      throw invalid("damaged bytes: " + Sentences.of(e));
    }
    int fallbackContainers = fallbackMessage == null ? 0 : fallbackMessage.getContainerPlansCount();
    String summary = PredictionSummary.of(
        response.getReport(), plan.getContainerPlansCount(), fallbackContainers);
    if (fallbackMessage != null && SamePlan.isSame(plan, fallbackMessage)) {
      return new BridgeAnswer(fallbackPlan, summary);
    }
    String broken = PlanValidator.brokenRule(plan, requirements);
    if (broken != null) {
      throw invalid(broken);
    }
    return new BridgeAnswer(HeronPlans.fromMessage(plan), summary);
  }

  private static BridgeFailure invalid(String why) {
    return new BridgeFailure("answered with a plan that Heron must not have: " + why,
        "Please report this with the bridge's log", null);
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java platform has SHA-256", e);
    }
  }
}
