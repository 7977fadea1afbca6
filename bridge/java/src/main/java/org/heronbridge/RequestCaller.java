package org.heronbridge;

import org.heronbridge.wire.Caller;
import org.heronbridge.wire.Options;

/** The parts of a request that say who asks and what the operator chose. */
final class RequestCaller {

  private RequestCaller() {
  }

  /** Who asks. */
  static Caller of(PluginSettings settings) {
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

  /** What the operator chose. */
  static Options options(PluginSettings settings) {
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
