package org.heronbridge.integration;

import com.twitter.heron.api.spout.BaseRichSpout;
import com.twitter.heron.api.spout.SpoutOutputCollector;
import com.twitter.heron.api.topology.OutputFieldsDeclarer;
import com.twitter.heron.api.topology.TopologyContext;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.api.tuple.Values;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/** Emits what is due on each of its streams whenever the runtime asks for tuples. */
final class FixedRateSpout extends BaseRichSpout {
  private static final long serialVersionUID = 1L;
  private static final long LONGEST_WAIT_NANOS = 1_000_000;

  private final double perSecond;
  private final double factor;
  private final List<Output> outputs;
  private transient SpoutOutputCollector collector;
  private transient TaskCounts counts;
  private transient Schedule schedule;

  FixedRateSpout(double perSecond, double factor, List<Output> outputs) {
    this.perSecond = perSecond;
    this.factor = factor;
    this.outputs = outputs;
  }

  @Override
  public void open(
      Map<String, Object> conf, TopologyContext context, SpoutOutputCollector collects) {
    collector = collects;
    outputs.forEach(output -> output.start(context.getThisTaskId()));
    schedule = new Schedule(perSecond, factor);
    counts = TaskCounts.ofSpout(context, outputs, schedule);
  }

  @Override
  public void nextTuple() {
    if (!schedule.take()) {
      LockSupport.parkNanos(Math.min(LONGEST_WAIT_NANOS, schedule.nanosToNext()));
      return;
    }
    counts.executed.incrementAndGet();
    for (Output output : outputs) {
      for (int n = output.count(); n > 0; n--) {
        counts.emitted.get(output.stream).incrementAndGet();
        collector.emit(output.stream, new Values(output.key()));
      }
    }
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    outputs.forEach(output -> declarer.declareStream(output.stream, new Fields("key")));
  }
}
