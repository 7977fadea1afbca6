package org.heronbridge;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * Answers one request of Heron.
 *
 * <p>Two threads work on it: one makes the fallback's plan, the other talks to the bridge. This one
 * only waits and chooses, and uses no class of gRPC or protobuf, so that whatever goes wrong with
 * those, the fallback's plan can still be returned. The fallback has as long as the bridge has, and
 * a second more; the bridge is asked without its plan when half of the time is over.
 */
final class PackingCall {

  /** Milliseconds that the bridge's thread has for what it does outside of the network call. */
  private static final long BRIDGE_GRACE_MS = 500;
  /** Milliseconds after the timeout at which the call ends whatever happens. */
  private static final long LAST_GRACE_MS = 1_000;

  private final Config config;
  private final TopologyAPI.Topology topology;
  private final PluginSettings settings;
  private final PackingTask task;
  private final Supplier<BridgeClient> client;
  private final TimeBudget budget;
  private final TimeBudget bridgeBudget;
  private final TimeBudget lastBudget;

  PackingCall(
      Config config,
      TopologyAPI.Topology topology,
      PluginSettings settings,
      PackingTask task,
      Supplier<BridgeClient> client) {
    this.config = config;
    this.topology = topology;
    this.settings = settings;
    this.task = task;
    this.client = client;
    this.budget = new TimeBudget(settings.timeoutMs());
    this.bridgeBudget = new TimeBudget(settings.timeoutMs() + BRIDGE_GRACE_MS);
    this.lastBudget = new TimeBudget(settings.timeoutMs() + LAST_GRACE_MS);
  }

  /**
   * The plan for Heron.
   *
   * @throws PackingException when neither the bridge nor the fallback has one
   */
  PackingPlan run() {
    DecisionLog log = new DecisionLog(task.name(), topology.getName(), budget);
    log.unknownKeys(settings.unknownKeys());
    FallbackPlan fallback =
        FallbackPlan.start(settings.fallback(task.isRepack()), config, topology, task);
    try {
      if (settings.mode() == PluginSettings.Mode.OFF) {
        return onlyFallback(fallback, log);
      }
      BridgeAnswer answer;
      try {
        answer = askBridge(fallback);
      } catch (BridgeFailure failure) {
        return afterFailure(failure, fallback, log);
      }
      return settings.mode() == PluginSettings.Mode.SHADOW
          ? shadowed(answer, fallback, log) : used(answer, fallback, log);
    } finally {
      if (fallback != null) {
        fallback.abandon();
      }
    }
  }

  private BridgeAnswer askBridge(FallbackPlan fallback) throws BridgeFailure {
    if (!settings.problems().isEmpty()) {
      throw new BridgeFailure("was not asked: " + String.join("; ", settings.problems()),
          "Correct the value", null);
    }
    DaemonTask<BridgeAnswer> asking = null;
    try {
      asking = DaemonTask.start("heron-bridge-call", () ->
          new BridgeCall(config, topology, settings, task, fallback, budget).ask(client.get()));
      return asking.get(bridgeBudget.leftMs(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof BridgeFailure) {
        throw (BridgeFailure) e.getCause();
      }
      throw new BridgeFailure("could not be asked: " + Sentences.of(e.getCause()),
          "Please report this", e.getCause());
    } catch (TimeoutException e) {
      throw new BridgeFailure("did not answer in " + settings.timeoutMs() + " ms",
          "Look into the bridge's log, or raise " + PluginSettings.PREFIX + "timeout.ms", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new BridgeFailure("was not waited for: the caller was interrupted", "", e);
    } finally {
      if (asking != null) {
        asking.cancel(true);
      }
    }
  }

  private PackingPlan onlyFallback(FallbackPlan fallback, DecisionLog log) {
    if (fallback == null) {
      throw new PackingException("heron-bridge: " + PluginSettings.PREFIX + "mode is off and there is"
          + " no fallback, so nothing can make a plan");
    }
    PackingPlan plan = fallbackPlan(fallback, null);
    log.off(fallback.name(), plan.getContainers().size());
    return plan;
  }

  private PackingPlan used(BridgeAnswer answer, FallbackPlan fallback, DecisionLog log) {
    log.used(answer.summary(), failureOf(fallback));
    return answer.plan();
  }

  private PackingPlan shadowed(BridgeAnswer answer, FallbackPlan fallback, DecisionLog log) {
    if (fallback == null) {
      throw new PackingException("heron-bridge: " + PluginSettings.PREFIX + "mode is shadow and there"
          + " is no fallback whose plan could be used");
    }
    PackingPlan plan = fallbackPlan(fallback, null);
    log.shadowed(answer.summary(), fallback.name(), plan.getContainers().size());
    return plan;
  }

  private PackingPlan afterFailure(BridgeFailure failure, FallbackPlan fallback, DecisionLog log) {
    String why = "the bridge at " + settings.addressText() + " " + failure.getMessage();
    if (fallback == null) {
      throw new PackingException("heron-bridge: no plan, because " + why + ", and there is no fallback"
          + advice(failure), failure);
    }
    PackingPlan plan = fallbackPlan(fallback, failure);
    log.fellBack(fallback.name(), plan.getContainers().size(), why, advice(failure));
    return plan;
  }

  /**
   * Heron's own plan.
   *
   * @param failure why the bridge has none; null when it did not matter
   */
  private PackingPlan fallbackPlan(FallbackPlan fallback, BridgeFailure failure) {
    String bridge = failure == null ? ""
        : "; the bridge at " + settings.addressText() + " " + failure.getMessage()
            + advice(failure);
    try {
      return fallback.await(lastBudget.leftMs());
    } catch (ExecutionException e) {
      Throwable cause = e.getCause();
      if (failure == null && cause instanceof PackingException) {
        throw (PackingException) cause;
      }
      throw new PackingException(
          "heron-bridge: " + fallback.name() + " failed: " + Sentences.of(cause) + bridge, cause);
    } catch (TimeoutException e) {
      throw new PackingException("heron-bridge: " + fallback.name() + " has no plan after "
          + budget.spentMs() + " ms; raise " + PluginSettings.PREFIX + "timeout.ms if it needs more"
          + bridge, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PackingException("heron-bridge: interrupted" + bridge, e);
    }
  }

  /** Why the fallback has no plan, or null when it has one or was not meant to. */
  private static String failureOf(FallbackPlan fallback) {
    if (fallback == null) {
      return null;
    }
    try {
      fallback.await(0);
      return null;
    } catch (ExecutionException e) {
      return fallback.name() + " failed: " + Sentences.of(e.getCause());
    } catch (TimeoutException e) {
      return fallback.name() + " was not ready";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return fallback.name() + " was not waited for";
    }
  }

  private static String advice(BridgeFailure failure) {
    return failure.advice().isEmpty() ? "" : ". " + failure.advice();
  }
}
