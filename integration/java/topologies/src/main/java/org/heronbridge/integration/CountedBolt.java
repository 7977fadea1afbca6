package org.heronbridge.integration;

import com.twitter.heron.api.bolt.BaseRichBolt;
import com.twitter.heron.api.bolt.OutputCollector;
import com.twitter.heron.api.topology.OutputFieldsDeclarer;
import com.twitter.heron.api.topology.TopologyContext;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.api.tuple.Tuple;
import com.twitter.heron.api.tuple.Values;
import java.util.Map;

/** A bolt whose work is counted: it forwards the text it gets, or splits it, or ends the stream. */
public final class CountedBolt extends BaseRichBolt {
  private static final long serialVersionUID = 1L;

  /** What becomes of the text. */
  public enum Work {
    FORWARD,
    SPLIT,
    END
  }

  private final Work work;
  /** Stands for what user code carries in its fields and must never leave the machine. */
  private final String confidential = "integration-confidential-field";
  private transient OutputCollector collector;
  private transient Tally tally;

  public CountedBolt(Work work) {
    this.work = work;
  }

  @Override
  public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector outputs) {
    collector = outputs;
    tally = Tally.of(context);
  }

  @Override
  public void execute(Tuple tuple) {
    long start = System.nanoTime();
    String text = tuple.getString(0);
    switch (work) {
      case FORWARD:
        emit(text);
        break;
      case SPLIT:
        for (String word : text.split(" ")) {
          emit(word);
        }
        break;
      default:
        tally.saw(text);
    }
    collector.ack(tuple);
    tally.executeNanos.addAndGet(System.nanoTime() - start);
    tally.executed.incrementAndGet();
  }

  private void emit(String text) {
    collector.emit(new Values(text));
    tally.emitted.incrementAndGet();
  }

  @Override
  public void declareOutputFields(OutputFieldsDeclarer declarer) {
    if (work != Work.END) {
      declarer.declare(new Fields("text"));
    }
  }

  @Override
  public String toString() {
    return work + " " + confidential;
  }
}
