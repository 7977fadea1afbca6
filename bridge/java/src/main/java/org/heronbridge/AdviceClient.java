package org.heronbridge;

import com.google.protobuf.InvalidProtocolBufferException;
import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.heronbridge.wire.Action;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.Topology;

/**
 * Asks the bridge what to do about a topology that runs, and checks the plans it answers with.
 *
 * <p>The call runs in a thread of its own: the caller gets an answer or a sentence within the timeout
 * and half a second, whatever happens in there.
 */
public final class AdviceClient {

  /** Milliseconds for what is done outside of the network call. */
  private static final long GRACE_MS = 500;

  private final Config config;
  private final PluginSettings settings;

  /**
   * A client; it connects for each question and disconnects after it.
   *
   * @param config Heron's configuration, with what packing.yaml says
   * @param stated values that stand before those of the configuration, by key; null: not stated
   */
  public AdviceClient(Config config, Function<String, Object> stated) {
    this.config = config;
    Map<String, Object> values = HeronSettings.all(config);
    for (String key : PluginSettings.keys()) {
      Object value = stated.apply(key);
      if (value != null) {
        values.put(key, value);
      }
    }
    this.settings = PluginSettings.from(values);
  }

  /** Sentences on settings that cannot be used. */
  public List<String> problems() {
    return settings.problems();
  }

  /** Whether the bridge is told where to find what is known of the topology. */
  public boolean namesProfile() {
    return !settings.profile().isEmpty();
  }

  /** Where the bridge listens, for sentences. */
  public String address() {
    return settings.addressText();
  }

  /**
   * What may travel of a topology.
   *
   * @throws NoAdviceException when it cannot be read
   */
  public static Topology planningPart(TopologyAPI.Topology topology) throws NoAdviceException {
    try {
      return TopologyTrimmer.trim(topology.toByteArray());
    } catch (InvalidProtocolBufferException e) {
      throw new NoAdviceException("the topology cannot be read: " + Sentences.of(e), e);
    }
  }

  /**
   * The running plan as the bridge reads it.
   *
   * @param bytes of Heron's own message
   * @throws NoAdviceException when they are none
   */
  public static PackingPlan runningPlan(byte[] bytes) throws NoAdviceException {
    try {
      return PackingPlan.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new NoAdviceException("the running plan cannot be read: " + Sentences.of(e), e);
    }
  }

  /**
   * Asks.
   *
   * @param topology see {@link #planningPart}
   * @param current see {@link #runningPlan}
   * @param observed all the rest of the request
   * @throws NoAdviceException when there is no answer
   */
  public AdviseResponse ask(Topology topology, PackingPlan current, AdviseRequest.Builder observed)
      throws NoAdviceException {
    if (!settings.problems().isEmpty()) {
      throw new NoAdviceException(
          "the bridge was not asked: " + String.join("; ", settings.problems()), null);
    }
    AdviseRequest request = observed
        .setContext(RequestContext.of(settings, HeronSettings.instanceDefaults(config), topology))
        .setCurrentPlan(current.toByteString())
        .build();
    BridgeClient asked = new BridgeClient(settings, "take the policy out of healthmgr.yaml");
    DaemonTask<AdviseResponse> asking = DaemonTask.start("heron-bridge-advise",
        () -> asked.call(BridgeMethods.ADVISE, request, new TimeBudget(settings.timeoutMs())));
    try {
      return asking.get(settings.timeoutMs() + GRACE_MS, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw failed(e.getCause());
    } catch (TimeoutException e) {
      throw failed(asked.noAnswer(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw failed(new BridgeFailure("was not waited for: the caller was interrupted", "", e));
    } finally {
      asking.cancel(true);
      asked.close();
    }
  }

  /**
   * The plan of an action, when Heron may have it.
   *
   * @param topology see {@link #planningPart}
   * @param current see {@link #runningPlan}
   * @throws NoAdviceException when the action has none, or one that breaks a rule or changes nothing
   */
  public com.twitter.heron.spi.packing.PackingPlan deployable(
      Topology topology, PackingPlan current, Action action) throws NoAdviceException {
    if (action.getPlan().isEmpty()) {
      throw invalid("there is none", null);
    }
    PackingPlan plan;
    try {
      plan = PackingPlan.parseFrom(action.getPlan());
    } catch (InvalidProtocolBufferException e) {
      throw invalid("damaged bytes: " + Sentences.of(e), e);
    }
    if (SamePlan.isSame(plan, current)) {
      throw invalid("it is the plan that runs", null);
    }
    Set<String> running = new HashSet<>();
    current.getContainerPlansList().forEach(container -> container.getInstancePlansList()
        .forEach(instance -> running.add(instance.getComponentName())));
    if (!action.getParallelismMap().keySet().equals(running)
        || action.getParallelismMap().containsValue(0)) {
      throw invalid("it is for " + new TreeMap<>(action.getParallelismMap())
          + ", and what runs is " + new TreeSet<>(running), null);
    }
    Map<String, Integer> deltas = new HashMap<>(action.getParallelismMap());
    current.getContainerPlansList().forEach(container -> container.getInstancePlansList()
        .forEach(instance -> deltas.merge(instance.getComponentName(), -1, Integer::sum)));
    PlanRequirements requirements = new PlanRequirements(
        topology,
        current,
        deltas,
        0,
        null,
        HeronSettings.instanceRam(HeronSettings.instanceDefaults(config)),
        settings.containersFree() || action.getKind() == ActionKind.CHANGE_CONTAINERS,
        SchedulerRules.of(settings.heron("heron.class.scheduler")));
    String broken = PlanValidator.brokenRule(plan, requirements);
    if (broken != null) {
      throw invalid(broken, null);
    }
    return HeronPlans.fromMessage(plan);
  }

  private NoAdviceException failed(Throwable cause) {
    String said = cause instanceof BridgeFailure
        ? cause.getMessage() : "could not be asked: " + Sentences.of(cause);
    String advice = cause instanceof BridgeFailure ? ((BridgeFailure) cause).advice() : "";
    return new NoAdviceException(
        "the bridge at " + address() + " " + said + (advice.isEmpty() ? "" : ". " + advice), cause);
  }

  private static NoAdviceException invalid(String why, Throwable cause) {
    return new NoAdviceException(
        "the bridge's plan is not one that Heron may have: " + why, cause);
  }
}
