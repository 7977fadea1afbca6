package org.heronbridge.integration;

import java.util.Map;
import org.apache.storm.Config;
import org.apache.storm.StormSubmitter;
import org.apache.storm.spout.SpoutOutputCollector;
import org.apache.storm.task.OutputCollector;
import org.apache.storm.task.TopologyContext;
import org.apache.storm.topology.OutputFieldsDeclarer;
import org.apache.storm.topology.TopologyBuilder;
import org.apache.storm.topology.base.BaseRichBolt;
import org.apache.storm.topology.base.BaseRichSpout;
import org.apache.storm.tuple.Fields;
import org.apache.storm.tuple.Tuple;
import org.apache.storm.tuple.Values;

/** Word count as it would be written for Apache Storm. */
public final class StormWordCount {
  private StormWordCount() {}

  /** Emits the same word for ever. */
  public static final class Words extends BaseRichSpout {
    private static final long serialVersionUID = 1L;
    private transient SpoutOutputCollector collector;

    // The interface of this version of Storm has a raw map.
    @Override
    @SuppressWarnings("rawtypes")
    public void open(Map conf, TopologyContext context, SpoutOutputCollector outputs) {
      collector = outputs;
    }

    @Override
    public void nextTuple() {
      collector.emit(new Values("word"));
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("word"));
    }
  }

  /** Counts what arrives. */
  public static final class Count extends BaseRichBolt {
    private static final long serialVersionUID = 1L;
    private transient OutputCollector collector;
    private transient long seen;

    // As above.
    @Override
    @SuppressWarnings("rawtypes")
    public void prepare(Map conf, TopologyContext context, OutputCollector outputs) {
      collector = outputs;
    }

    @Override
    public void execute(Tuple tuple) {
      seen++;
      collector.ack(tuple);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      // The end of the stream.
    }
  }

  public static void main(String[] args) throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("word", new Words(), 3);
    builder.setBolt("count", new Count(), 5).fieldsGrouping("word", new Fields("word"));
    Config config = new Config();
    config.setNumWorkers(2);
    StormSubmitter.submitTopology("StormWordCount", config, builder.createTopology());
  }
}
