package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertFalse;

import com.microsoft.dhalion.api.IDetector;
import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.core.Action;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.events.EventHandler;
import com.microsoft.dhalion.events.EventManager;
import com.microsoft.dhalion.policy.PoliciesExecutor;
import com.twitter.heron.healthmgr.HealthPolicyConfig;
import com.twitter.heron.healthmgr.common.HealthManagerEvents.TopologyUpdate;
import com.twitter.heron.spi.common.Config;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * The policy, driven by Dhalion's own executor over a simulated cluster: one cycle of the policy is one
 * minute of the cluster.
 */
final class PolicyRun implements AutoCloseable {

  /** Of the policy, as in healthmgr.yaml. */
  final Map<String, Object> settings = new HashMap<>();
  /** What the policy logged. */
  final List<String> lines = new CopyOnWriteArrayList<>();
  /** When other parts of the health manager were told of an update. */
  final List<Instant> announced = new CopyOnWriteArrayList<>();
  /** What Dhalion keeps of what was done. */
  final List<Action> actions = new CopyOnWriteArrayList<>();
  /** What Dhalion got from sensors. */
  final List<Measurement> measurements = new CopyOnWriteArrayList<>();
  /** By which parts of the health manager tell each other what they did. */
  final EventManager events = new EventManager();
  /** May be replaced before the policy is made. */
  SimulatedCluster cluster = new SimulatedCluster(2, 2);
  /** As the cluster. */
  LongSupplier elapsedNs = System::nanoTime;

  /** Held during a cycle. */
  private final ReentrantLock cycle = new ReentrantLock(true);
  private final Handler handler = new Handler() {
    @Override
    public void publish(LogRecord record) {
      lines.add(record.getMessage());
    }

    @Override
    public void flush() {
    }

    @Override
    public void close() {
    }
  };
  // Held, or the handler could be lost with a logger that nobody uses yet.
  private final Logger ours = Logger.getLogger(BridgeHealthPolicy.class.getName());
  private final Logger dhalion = Logger.getLogger("com.microsoft.dhalion");

  PolicyRun() {
    settings.put("health.policy.interval.ms", 1);
    settings.put("heron.packing.bridge.timeout.ms", 60_000);
    ours.addHandler(handler);
    dhalion.setLevel(Level.WARNING);
    events.addEventListener(TopologyUpdate.class, new EventHandler<TopologyUpdate>() {
      @Override
      public void onEvent(TopologyUpdate event) {
        announced.add(event.instant());
      }
    });
  }

  /** A policy with Heron's sensor of back-pressure, as the cluster has it, and these other parts. */
  BridgeHealthPolicy policy(
      IDetector detector, ISensor[] sensors, IDetector[] detectors, IDiagnoser[] diagnosers) {
    HealthPolicyConfig config = new HealthPolicyConfig() {
      @Override
      public Object getConfig(String name) {
        return settings.get(name);
      }
    };
    return new BridgeHealthPolicy("WordCount", config, Config.newBuilder(false).build(), events,
        cluster.stateManager(), cluster, cluster, cluster.backPressureSensor(), detector, sensors,
        detectors, diagnosers, cluster, elapsedNs) {
      @Override
      public Collection<Measurement> executeSensors() {
        try {
          cycle.lockInterruptibly();
        } catch (InterruptedException e) {
          throw new CancellationException("the run is over");
        }
        Collection<Measurement> found = super.executeSensors();
        measurements.addAll(found);
        return found;
      }

      @Override
      public Collection<Action> executeResolvers(Collection<Diagnosis> diagnoses) {
        try {
          Collection<Action> taken = super.executeResolvers(diagnoses);
          actions.addAll(taken);
          cluster.advance();
          return taken;
        } finally {
          cycle.unlock();
        }
      }
    };
  }

  /** Lets the policy run until so many minutes of the cluster are over. */
  void drive(int minutes) throws InterruptedException {
    drive(minutes, SimulatedCluster.backPressureDetector());
  }

  void drive(int minutes, IDetector detector) throws InterruptedException {
    drive(minutes, policy(detector, new ISensor[0], new IDetector[0],
        new IDiagnoser[] {SimulatedCluster.underProvisioningDiagnoser()}));
  }

  /** The executor must not have ended, as it does when something is thrown. */
  void drive(int minutes, BridgeHealthPolicy policy) throws InterruptedException {
    PoliciesExecutor executor = new PoliciesExecutor(List.of(policy));
    ScheduledFuture<?> future = executor.start();
    try {
      while (!future.isDone() && cluster.minutesGone() < minutes) {
        Thread.sleep(2);
      }
      assertFalse(future.isDone(), "the executor ended");
      // Between two cycles, so that nothing changes any more.
      cycle.lock();
    } finally {
      executor.destroy();
    }
  }

  @Override
  public void close() {
    ours.removeHandler(handler);
    dhalion.setLevel(null);
  }
}
