package org.heronbridge.integration;

import com.twitter.heron.api.Config;
import com.twitter.heron.api.HeronSubmitter;
import com.twitter.heron.api.grouping.CustomStreamGrouping;
import com.twitter.heron.api.spout.BaseRichSpout;
import com.twitter.heron.api.spout.SpoutOutputCollector;
import com.twitter.heron.api.topology.OutputFieldsDeclarer;
import com.twitter.heron.api.topology.TopologyBuilder;
import com.twitter.heron.api.topology.TopologyContext;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.api.tuple.Values;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.heronbridge.integration.CountedBolt.Work;

/** One spout, and one bolt for each way in which tuples can be routed. */
public final class EveryGrouping {
  private static final String DIRECT_STREAM = "aimed";

  private EveryGrouping() {}

  /** Emits a number on the default stream, and to one task on the direct stream. */
  public static final class Numbers extends BaseRichSpout {
    private static final long serialVersionUID = 1L;
    private transient SpoutOutputCollector collector;
    private transient int target;
    private transient long number;

    @Override
    public void open(
        Map<String, Object> conf, TopologyContext context, SpoutOutputCollector outputs) {
      collector = outputs;
      target = context.getComponentTasks("direct").get(0);
    }

    @Override
    public void nextTuple() {
      String text = Long.toString(number++);
      collector.emit(new Values(text));
      collector.emitDirect(target, DIRECT_STREAM, new Values(text));
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("text"));
      declarer.declareStream(DIRECT_STREAM, true, new Fields("text"));
    }
  }

  /** Sends everything to the last task. */
  public static final class ToTheLast implements CustomStreamGrouping {
    private static final long serialVersionUID = 1L;
    private List<Integer> chosen = Collections.emptyList();

    @Override
    public void prepare(
        TopologyContext context, String component, String streamId, List<Integer> targetTasks) {
      chosen = Collections.singletonList(targetTasks.get(targetTasks.size() - 1));
    }

    @Override
    public List<Integer> chooseTasks(List<Object> values) {
      return chosen;
    }
  }

  public static void main(String[] args) throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("source", new Numbers(), 2);
    builder.setBolt("shuffle", new CountedBolt(Work.END), 3).shuffleGrouping("source");
    builder.setBolt("fields", new CountedBolt(Work.END), 3)
        .fieldsGrouping("source", new Fields("text"));
    builder.setBolt("all", new CountedBolt(Work.END), 2).allGrouping("source");
    builder.setBolt("global", new CountedBolt(Work.END), 2).globalGrouping("source");
    builder.setBolt("none", new CountedBolt(Work.END), 2).noneGrouping("source");
    builder.setBolt("direct", new CountedBolt(Work.END), 2).directGrouping("source", DIRECT_STREAM);
    builder.setBolt("custom", new CountedBolt(Work.END), 2)
        .customGrouping("source", new ToTheLast());
    Config config = new Config();
    config.setNumStmgrs(4);
    HeronSubmitter.submitTopology("EveryGrouping", config, builder.createTopology());
  }
}
