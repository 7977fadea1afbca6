package org.heronbridge;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.IRepacking;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.Collections;
import java.util.Map;

/**
 * The class to name in {@code heron.class.packing.algorithm} and
 * {@code heron.class.repacking.algorithm}.
 *
 * <p>A call ends within {@code heron.packing.bridge.timeout.ms} plus one second, whatever the bridge
 * and the fallback do. {@link PackingException} is the only thing that is ever thrown, also when the
 * cause is an {@link Error}. One object serves one caller at a time, as Heron uses it; objects share
 * nothing.
 */
public class BridgePacking implements IPacking, IRepacking {

  private Config config;
  private TopologyAPI.Topology topology;
  private PluginSettings settings;
  private BridgeClient client;
  private boolean closed;

  /** Heron creates the object by name. */
  public BridgePacking() {
  }

  @Override
  public void initialize(Config heronConfig, TopologyAPI.Topology heronTopology) {
    try {
      config = heronConfig;
      topology = heronTopology;
      settings = PluginSettings.from(HeronSettings.all(heronConfig));
    } catch (Throwable t) {
      throw asPackingException("cannot start", t);
    }
  }

  @Override
  public PackingPlan pack() {
    return decide(PackingTask.pack());
  }

  @Override
  public PackingPlan repack(PackingPlan currentPlan, Map<String, Integer> componentDeltas) {
    return decide(PackingTask.repack(currentPlan, 0, deltas(componentDeltas)));
  }

  /**
   * Repacks into a stated number of containers. Heron's interface has this method since 0.19.
   *
   * @param currentPlan the plan that runs
   * @param containers the number of containers to use
   * @param componentDeltas change of parallelism per component; may be empty
   * @return the new plan
   * @throws PackingException when there is no valid plan
   */
  public PackingPlan repack(
      PackingPlan currentPlan, int containers, Map<String, Integer> componentDeltas) {
    return decide(PackingTask.repack(currentPlan, containers, deltas(componentDeltas)));
  }

  @Override
  public void close() {
    try {
      BridgeClient open = retireClient();
      if (open != null) {
        open.close();
      }
    } catch (Throwable t) {
      DecisionLog.closeFailed(t);
    }
  }

  /** The connection to the bridge; replaced where its failures are tested. */
  BridgeClient newClient(PluginSettings pluginSettings) {
    return new BridgeClient(pluginSettings);
  }

  private PackingPlan decide(PackingTask task) {
    try {
      if (settings == null) {
        throw new PackingException("heron-bridge: initialize was not called");
      }
      return new PackingCall(config, topology, settings, task, this::client).run();
    } catch (Throwable t) {
      throw asPackingException(task.name() + " failed", t);
    }
  }

  /** Called by the thread that talks to the bridge, which may be late. */
  private synchronized BridgeClient client() {
    if (closed) {
      throw new IllegalStateException("closed");
    }
    if (client == null) {
      client = newClient(settings);
    }
    return client;
  }

  private synchronized BridgeClient retireClient() {
    BridgeClient retired = client;
    client = null;
    closed = true;
    return retired;
  }

  private static Map<String, Integer> deltas(Map<String, Integer> componentDeltas) {
    return componentDeltas == null ? Collections.<String, Integer>emptyMap() : componentDeltas;
  }

  private static PackingException asPackingException(String what, Throwable t) {
    return t instanceof PackingException
        ? (PackingException) t
        : new PackingException("heron-bridge: " + what + ": " + Sentences.of(t), t);
  }
}
