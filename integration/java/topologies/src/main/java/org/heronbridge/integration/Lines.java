package org.heronbridge.integration;

import com.twitter.heron.api.spout.BaseRichSpout;
import com.twitter.heron.api.spout.SpoutOutputCollector;
import com.twitter.heron.api.topology.OutputFieldsDeclarer;
import com.twitter.heron.api.topology.TopologyContext;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.api.tuple.Values;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/** Emits lines of {@link #WORDS_PER_LINE} words at a fixed rate until told to stop. */
public final class Lines extends BaseRichSpout {
  private static final long serialVersionUID = 1L;

  public static final int WORDS_PER_LINE = 4;
  private static final int VOCABULARY = 97;

  private static volatile boolean stopped;

  private final double perSecond;
  private transient SpoutOutputCollector collector;
  private transient Tally tally;
  private transient long firstNanos;
  private transient long next;

  public Lines(double perSecond) {
    this.perSecond = perSecond;
  }

  /** Ends emission in every instance of this JVM, so that what is under way can drain. */
  public static void stop() {
    stopped = true;
  }

  @Override
  public void open(
      Map<String, Object> conf, TopologyContext context, SpoutOutputCollector outputs) {
    collector = outputs;
    tally = Tally.of(context);
    firstNanos = System.nanoTime();
    // Instances start at different words, or their streams would be one stream twice.
    next = 31L * context.getThisTaskIndex();
  }

  @Override
  public void nextTuple() {
    long due = (long) ((System.nanoTime() - firstNanos) / 1e9 * perSecond);
    if (stopped || tally.emitted.get() >= due) {
      LockSupport.parkNanos(200_000);
      return;
    }
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < WORDS_PER_LINE; i++) {
      line.append(i == 0 ? "word" : " word").append(next++ % VOCABULARY);
    }
    collector.emit(new Values(line.toString()));
    tally.emitted.incrementAndGet();
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    declarer.declare(new Fields("line"));
  }
}
