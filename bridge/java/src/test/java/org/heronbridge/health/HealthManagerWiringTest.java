package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.inject.AbstractModule;
import com.google.inject.Guice;
import com.google.inject.Singleton;
import com.google.inject.name.Names;
import com.microsoft.dhalion.api.IHealthPolicy;
import com.microsoft.dhalion.api.MetricsProvider;
import com.microsoft.dhalion.events.EventManager;
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
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The policy as the health manager makes it: by name, from what HealthManager.java binds. */
class HealthManagerWiringTest {

  @Test
  void theHealthManagerCanMakeThePolicy() throws Exception {
    Map<String, Object> settings = Map.of("health.policy.interval.ms", 3_600_000);
    SimulatedCluster cluster = new SimulatedCluster(2, 2);
    AbstractModule common = new AbstractModule() {
      @Override
      protected void configure() {
        bind(String.class).annotatedWith(Names.named("TOPOLOGY_NAME")).toInstance("WordCount");
        bind(Config.class).toInstance(Config.newBuilder(false).build());
        bind(EventManager.class).in(Singleton.class);
        bind(ISchedulerClient.class).toInstance(cluster);
        bind(SchedulerStateManagerAdaptor.class).toInstance(cluster.stateManager());
        bind(MetricsProvider.class).toInstance(cluster);
        // Heron's parts, which Guice makes there; ours are declarations.
        bind(BackPressureSensor.class).toInstance(new BackPressureSensor() { });
        bind(BufferSizeSensor.class).toInstance(new BufferSizeSensor() { });
        bind(ExecuteCountSensor.class).toInstance(new ExecuteCountSensor() { });
        bind(BackPressureDetector.class).toInstance(new BackPressureDetector() { });
        bind(LargeWaitQueueDetector.class).toInstance(new LargeWaitQueueDetector() { });
        bind(ProcessingRateSkewDetector.class).toInstance(new ProcessingRateSkewDetector() { });
        bind(WaitQueueSkewDetector.class).toInstance(new WaitQueueSkewDetector() { });
        bind(UnderProvisioningDiagnoser.class).toInstance(new UnderProvisioningDiagnoser() { });
        bind(DataSkewDiagnoser.class).toInstance(new DataSkewDiagnoser() { });
        bind(SlowInstanceDiagnoser.class).toInstance(new SlowInstanceDiagnoser() { });
      }
    };
    AbstractModule ofPolicy = new AbstractModule() {
      @Override
      protected void configure() {
        bind(String.class).annotatedWith(Names.named("POLICY_ID")).toInstance("bridge");
        bind(HealthPolicyConfig.class).toInstance(new HealthPolicyConfig() {
          @Override
          public Object getConfig(String name) {
            return settings.get(name);
          }
        });
      }
    };

    Class<?> named = Class.forName("org.heronbridge.health.BridgeHealthPolicy");
    Object made =
        Guice.createInjector(common).createChildInjector(ofPolicy).getInstance(named);

    IHealthPolicy policy = (IHealthPolicy) made;
    // Parts that find nothing answer null, as Dhalion's interfaces do by default.
    assertTrue(policy.executeDiagnosers(policy.executeDetectors(List.of())).isEmpty());
    policy.executeResolvers(List.of());
    assertTrue(policy.getDelay().compareTo(Duration.ofHours(1)) <= 0);
    assertTrue(policy.getDelay().compareTo(Duration.ofMinutes(30)) > 0);
    assertEquals(0, cluster.updates.size());
  }
}
