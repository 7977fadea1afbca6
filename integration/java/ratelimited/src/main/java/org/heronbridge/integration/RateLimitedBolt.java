package org.heronbridge.integration;

import com.twitter.heron.api.bolt.BaseRichBolt;
import com.twitter.heron.api.bolt.OutputCollector;
import com.twitter.heron.api.topology.OutputFieldsDeclarer;
import com.twitter.heron.api.topology.TopologyContext;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.api.tuple.Tuple;
import com.twitter.heron.api.tuple.Values;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * Takes its service time for each tuple, waiting rather than computing, so that many instances fit
 * few cores: how Dhalion's and DS2's experiments limit the rates of bolts. A wait that was too long
 * shortens the next ones, so the rate is right in the mean.
 */
final class RateLimitedBolt extends BaseRichBolt {
  private static final long serialVersionUID = 1L;
  /** A longer stall of the machine is time lost, as it would be for a bolt that computes. */
  private static final long LARGEST_CREDIT_NANOS = 50_000_000;

  private final long serviceNanos;
  private final List<Output> outputs;
  private transient OutputCollector collector;
  private transient TaskCounts counts;
  private transient long creditNanos;

  RateLimitedBolt(double serviceSeconds, List<Output> outputs) {
    this.serviceNanos = Math.round(serviceSeconds * 1e9);
    this.outputs = outputs;
  }

  @Override
  public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector collects) {
    collector = collects;
    outputs.forEach(output -> output.start(context.getThisTaskId()));
    counts = TaskCounts.ofBolt(context, outputs);
  }

  @Override
  public void execute(Tuple tuple) {
    long start = System.nanoTime();
    waitUntil(start + serviceNanos - creditNanos);
    // Counted together with the tuple itself, so that short windows tell the selectivity.
    for (Output output : outputs) {
      for (int n = output.count(); n > 0; n--) {
        counts.emitted.get(output.stream).incrementAndGet();
        collector.emit(output.stream, new Values(output.key()));
      }
    }
    collector.ack(tuple);
    long end = System.nanoTime();
    long over = end - start - serviceNanos;
    creditNanos = Math.min(LARGEST_CREDIT_NANOS, Math.max(0, creditNanos + over));
    counts.executeNanos.addAndGet(end - start);
    counts.executed.incrementAndGet();
  }

  private static void waitUntil(long nanos) {
    for (long left = nanos - System.nanoTime(); left > 0; left = nanos - System.nanoTime()) {
      LockSupport.parkNanos(left);
    }
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    outputs.forEach(output -> declarer.declareStream(output.stream, new Fields("key")));
  }
}
