package org.heronbridge.health;

import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.api.MetricsProvider;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.heronbridge.wire.StreamId;

/**
 * Measures the load, which Heron's own sensors do not: tuples that spouts emit, tuples that bolts
 * execute and the time they take, by stream and instance, which instances tell anything at all, and
 * how long stream managers held the spouts back.
 *
 * <p>All of these are in the whitelist that Heron ships (conf/local/metrics_sinks.yaml).
 */
final class LoadSensor implements ISensor {

  /** Tuples, by stream. */
  static final String EMITTED = "__emit-count/";
  /** Tuples, by source and stream. */
  static final String EXECUTED = "__execute-count/";
  /** Mean time per tuple in nanoseconds, by source and stream. */
  static final String EXECUTE_NS = "__execute-latency/";
  /** Since its start, in seconds: told by every instance of a JVM, whether it has work or not. */
  static final String UPTIME_S = "__jvm-uptime-secs";
  /** Milliseconds for which instances of a container held the spouts back. */
  static final String HELD_BACK_MS = "__server/__time_spent_back_pressure_initiated";
  /** Under which Heron keeps the metrics of stream managers. */
  static final String STREAM_MANAGERS = "__stmgr__";

  private static final Duration MINUTE = Duration.ofMinutes(1);

  private final MetricsProvider metrics;
  private final Callable<RunningTopology> reader;
  private final Duration window;
  private ExecutionContext context;
  private RunningTopology running;
  private List<Measurement> measured = Collections.emptyList();

  /**
   * A sensor.
   *
   * @param reader reads the topology and its plan
   * @param window for which counters are asked
   */
  LoadSensor(MetricsProvider metrics, Callable<RunningTopology> reader, Duration window) {
    this.metrics = metrics;
    this.reader = reader;
    this.window = window;
  }

  /** The topology that was measured last; null when it could not be read. */
  RunningTopology running() {
    return running;
  }

  /** What was measured last, with times by the minute; empty when something failed. */
  List<Measurement> measured() {
    return measured;
  }

  @Override
  public void initialize(ExecutionContext executionContext) {
    context = executionContext;
  }

  /**
   * Measures.
   *
   * @return nothing: Dhalion's executor would log every number that is older than the last cycle, and
   *     keep all for half an hour (PoliciesExecutor.java, start)
   */
  @Override
  public Collection<Measurement> fetch() {
    running = null;
    measured = Collections.emptyList();
    RunningTopology read;
    try {
      read = reader.call();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException(e.getMessage(), e);
    }
    Instant now = context.checkpoint();
    List<Measurement> found = new ArrayList<>();
    for (Map.Entry<String, List<String>> spout : read.spouts().entrySet()) {
      List<String> names = new ArrayList<>();
      spout.getValue().forEach(stream -> names.add(EMITTED + stream));
      names.add(UPTIME_S);
      found.addAll(measured(now, names, spout.getKey()));
    }
    for (Map.Entry<String, List<StreamId>> bolt : read.bolts().entrySet()) {
      List<String> names = new ArrayList<>();
      for (StreamId stream : bolt.getValue()) {
        String suffix = stream.getComponentName() + "/" + stream.getId();
        names.add(EXECUTED + suffix);
        names.add(EXECUTE_NS + suffix);
      }
      names.add(UPTIME_S);
      found.addAll(measured(now, names, bolt.getKey()));
    }
    found.addAll(measured(now, Collections.singletonList(HELD_BACK_MS), STREAM_MANAGERS));
    running = read;
    measured = found;
    return Collections.emptyList();
  }

  /**
   * Measurements by minute. Where the metrics cache answers, with one number for all the time that is
   * asked about, it is asked about one minute at a time: components tell their counters at different
   * moments and up to a minute late, so one number may hold a minute more or less than another.
   */
  private List<Measurement> measured(Instant now, List<String> names, String component) {
    List<Measurement> found = asked(now, window, names, component);
    Set<Instant> instants = new HashSet<>();
    found.forEach(measurement -> instants.add(measurement.instant()));
    if (instants.size() != 1) {
      return found;
    }
    List<Measurement> byMinute = new ArrayList<>();
    for (Duration back = Duration.ZERO; back.compareTo(window) < 0; back = back.plus(MINUTE)) {
      byMinute.addAll(asked(now.minus(back), MINUTE, names, component));
    }
    return byMinute;
  }

  private List<Measurement> asked(
      Instant until, Duration length, List<String> names, String component) {
    Collection<Measurement> found =
        metrics.getMeasurements(until, length, names, Collections.singletonList(component));
    return found == null ? Collections.emptyList() : new ArrayList<>(found);
  }
}
