package org.heronbridge.health;

import com.microsoft.dhalion.api.IDetector;
import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.api.MetricsProvider;
import com.microsoft.dhalion.core.Action;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import com.microsoft.dhalion.events.EventManager;
import com.microsoft.dhalion.policy.HealthPolicyImpl;
import com.twitter.heron.healthmgr.HealthPolicyConfig;
import com.twitter.heron.healthmgr.detectors.BackPressureDetector;
import com.twitter.heron.healthmgr.detectors.LargeWaitQueueDetector;
import com.twitter.heron.healthmgr.detectors.ProcessingRateSkewDetector;
import com.twitter.heron.healthmgr.detectors.WaitQueueSkewDetector;
import com.twitter.heron.healthmgr.diagnosers.DataSkewDiagnoser;
import com.twitter.heron.healthmgr.diagnosers.SlowInstanceDiagnoser;
import com.twitter.heron.healthmgr.diagnosers.UnderProvisioningDiagnoser;
import com.twitter.heron.healthmgr.sensors.BackPressureSensor;
import com.twitter.heron.healthmgr.sensors.BufferSizeSensor;
import com.twitter.heron.healthmgr.sensors.ExecuteCountSensor;
import com.twitter.heron.scheduler.client.ISchedulerClient;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.statemgr.SchedulerStateManagerAdaptor;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.LongSupplier;
import javax.inject.Inject;
import javax.inject.Named;
import org.heronbridge.AdviceClient;

/**
 * Keeps a topology healthy by what the bridge predicts, not by trial: senses and diagnoses with
 * Heron's own parts, has the bridge judge what could be done, and does it only when it is predicted to
 * clear the symptoms. Named in healthmgr.yaml as {@code health.policy.class}.
 *
 * <p>Only the health manager loads this class: nothing else of Heron has Dhalion on its class path.
 */
public class BridgeHealthPolicy extends HealthPolicyImpl {

  /** BaseSensor.java, DEFAULT_METRIC_DURATION. */
  private static final long HERONS_WINDOW_S = 300;

  private final CycleView view;
  private final Clock clock;
  private final LongSupplier elapsedNs;
  private OptionalLong lookedNs = OptionalLong.empty();

  /** Made by the health manager; see HealthManager.java, constructPolicySpecificModule. */
  @Inject
  public BridgeHealthPolicy(
      @Named("TOPOLOGY_NAME") String topologyName,
      HealthPolicyConfig policyConfig,
      Config config,
      EventManager events,
      SchedulerStateManagerAdaptor stateManager,
      ISchedulerClient scheduler,
      MetricsProvider metrics,
      BackPressureSensor backPressureSensor,
      BufferSizeSensor bufferSizeSensor,
      ExecuteCountSensor executeCountSensor,
      BackPressureDetector backPressureDetector,
      LargeWaitQueueDetector largeWaitQueueDetector,
      ProcessingRateSkewDetector rateSkewDetector,
      WaitQueueSkewDetector waitQueueSkewDetector,
      UnderProvisioningDiagnoser underProvisioningDiagnoser,
      DataSkewDiagnoser dataSkewDiagnoser,
      SlowInstanceDiagnoser slowInstanceDiagnoser) {
    this(topologyName, policyConfig, config, events, stateManager, scheduler, metrics,
        backPressureSensor, backPressureDetector,
        new ISensor[] {bufferSizeSensor, executeCountSensor},
        new IDetector[] {largeWaitQueueDetector, rateSkewDetector, waitQueueSkewDetector},
        new IDiagnoser[] {underProvisioningDiagnoser, dataSkewDiagnoser, slowInstanceDiagnoser},
        Clock.systemUTC(), System::nanoTime);
  }

  /** As {@link #BridgeHealthPolicy}, with the times of the caller's choice. */
  BridgeHealthPolicy(
      String topologyName,
      HealthPolicyConfig policyConfig,
      Config config,
      EventManager events,
      SchedulerStateManagerAdaptor stateManager,
      ISchedulerClient scheduler,
      MetricsProvider metrics,
      ISensor backPressureSensor,
      IDetector backPressureDetector,
      ISensor[] moreSensors,
      IDetector[] moreDetectors,
      IDiagnoser[] diagnosers,
      Clock clock,
      LongSupplier elapsedNs) {
    this.clock = clock;
    this.elapsedNs = elapsedNs;
    HealthSettings settings = new HealthSettings(policyConfig::getConfig);
    HealthLog log = new HealthLog(topologyName);
    LoadSensor loadSensor = new LoadSensor(
        metrics, () -> RunningTopology.read(stateManager, topologyName), settings.window());
    view = new CycleView(loadSensor, longer(settings.window(), heronsWindow(policyConfig)));
    AdviceClient bridge = new AdviceClient(config, policyConfig::getConfig);

    Guard needed = new Guard(view::failed);
    registerSensors(needed.around(loadSensor), needed.around(backPressureSensor));
    registerDetectors(needed.around(backPressureDetector));
    // What these see is of use, but most of it is not measured unless metrics_sinks.yaml is extended.
    for (ISensor sensor : moreSensors) {
      registerSensors(helpful(topologyName).around(sensor));
    }
    for (IDetector detector : moreDetectors) {
      registerDetectors(helpful(topologyName).around(detector));
    }
    for (IDiagnoser diagnoser : diagnosers) {
      registerDiagnosers(new OneBottleneckAtATime(helpful(topologyName).around(diagnoser)));
    }
    registerResolvers(new AdvisedResolver(settings, bridge, view,
        new Deployment(topologyName, scheduler, events), log, clock));
    setPolicyExecutionInterval(settings.interval());
    log.said("the policy looks every " + settings.interval().toMillis() / 1000
        + " s and asks the bridge at " + bridge.address() + " when something is wrong; "
        + settings.mode().name().toLowerCase(Locale.ROOT) + ", at most one action in "
        + settings.cooldown().toMillis() / 1000 + " s");
  }

  @Override
  public Collection<Measurement> executeSensors() {
    Collection<Measurement> found = super.executeSensors();
    view.measured(found);
    return found;
  }

  @Override
  public Collection<Symptom> executeDetectors(Collection<Measurement> measurements) {
    Collection<Symptom> found = super.executeDetectors(measurements);
    view.detected(found);
    return found;
  }

  @Override
  public Collection<Action> executeResolvers(Collection<Diagnosis> diagnoses) {
    Collection<Action> taken = super.executeResolvers(diagnoses);
    lookedNs = OptionalLong.of(elapsedNs.getAsLong());
    return taken;
  }

  @Override
  public Instant getNextCheckpoint() {
    return clock.instant();
  }

  /**
   * As Dhalion counts it, but not by the clock: were that set back by some hours, the executor would
   * sleep for as long, and with it all other policies.
   */
  @Override
  public Duration getDelay() {
    if (!lookedNs.isPresent()) {
      return Duration.ZERO;
    }
    Duration left = interval.minusNanos(elapsedNs.getAsLong() - lookedNs.getAsLong());
    return longer(left, Duration.ZERO);
  }

  /** With a log of its own for each part: what two say in turn would be said at every look. */
  private static Guard helpful(String topologyName) {
    return new Guard(new HealthLog(topologyName)::hindered);
  }

  /**
   * Over which Heron's sensor of back-pressure averages. It looks for its key under the name that an
   * enum constant has instead of the text that it stands for (BaseSensor.java, getDurationFromConfig),
   * so the documented {@code BackPressureSensor.duration} has no effect up to Heron 0.20.5.
   */
  private static Duration heronsWindow(HealthPolicyConfig policyConfig) {
    Object effective = policyConfig.getConfig("BackPressureSensorCONF_SENSOR_DURATION_SUFFIX");
    Object documented = policyConfig.getConfig("BackPressureSensor.duration");
    return longer(seconds(effective, HERONS_WINDOW_S), seconds(documented, 0));
  }

  private static Duration seconds(Object stated, long otherwise) {
    return Duration.ofSeconds(
        stated instanceof Number ? ((Number) stated).longValue() : otherwise);
  }

  private static Duration longer(Duration one, Duration other) {
    return one.compareTo(other) >= 0 ? one : other;
  }
}
