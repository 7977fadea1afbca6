package org.heronbridge;

import java.util.Map;
import org.heronbridge.wire.Caller;
import org.heronbridge.wire.Options;
import org.heronbridge.wire.PlanningContext;
import org.heronbridge.wire.Topology;

/** The part that all requests have: who asks, about which topology, and what the operator chose. */
final class RequestContext {

  private RequestContext() {
  }

  /**
   * The context of a request.
   *
   * @param defaults see {@link HeronSettings#instanceDefaults}
   * @param topology what may travel of it
   */
  static PlanningContext.Builder of(
      PluginSettings settings, Map<String, String> defaults, Topology topology) {
    return PlanningContext.newBuilder()
        .setCaller(caller(settings))
        .setTopology(topology.toByteString())
        .putAllConfig(defaults)
        .setOptions(options(settings));
  }

  private static Caller caller(PluginSettings settings) {
    return Caller.newBuilder()
        .setContractRevision(PluginVersion.CONTRACT_REVISION)
        .setSoftware(PluginVersion.SOFTWARE)
        .setCluster(settings.heron("heron.config.cluster"))
        .setRole(settings.heron("heron.config.role"))
        .setEnviron(settings.heron("heron.config.environ"))
        .setHeronFlavour(HeronSettings.flavour())
        .setSchedulerClass(settings.heron("heron.class.scheduler"))
        .build();
  }

  private static Options options(PluginSettings settings) {
    Options.Builder options = Options.newBuilder()
        .setObjective(settings.objective())
        .setTargetRatePerS(settings.targetRate())
        .setProfile(settings.profile())
        .setContainers(settings.containers())
        .setEffort(settings.effort());
    settings.headroom().ifPresent(options::setHeadroom);
    settings.probability().ifPresent(options::setProbability);
    settings.spreadComponents().ifPresent(options::setSpreadComponents);
    return options.build();
  }
}
