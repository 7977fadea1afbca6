package org.heronbridge.integration;

import com.twitter.heron.api.Config;
import com.twitter.heron.api.HeronSubmitter;
import com.twitter.heron.api.HeronTopology;
import com.twitter.heron.api.topology.TopologyBuilder;
import com.twitter.heron.api.tuple.Fields;
import org.heronbridge.integration.CountedBolt.Work;

/** Lines are split into words and the words counted: shuffle, then fields. */
public final class WordCount {
  public static final double LINES_PER_SECOND = 500;

  private WordCount() {}

  public static HeronTopology topology() {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("line", new Lines(LINES_PER_SECOND), 2);
    builder.setBolt("split", new CountedBolt(Work.SPLIT), 3).shuffleGrouping("line");
    builder.setBolt("count", new CountedBolt(Work.END), 4)
        .fieldsGrouping("split", new Fields("text"));
    return builder.createTopology();
  }

  public static Config config() {
    Config config = new Config();
    config.setNumStmgrs(3);
    return config;
  }

  public static void main(String[] args) throws Exception {
    HeronSubmitter.submitTopology("WordCount", config(), topology());
  }
}
