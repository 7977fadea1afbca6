package org.heronbridge.integration;

import com.twitter.heron.api.Config;
import com.twitter.heron.api.HeronSubmitter;
import com.twitter.heron.api.HeronTopology;
import com.twitter.heron.api.topology.TopologyBuilder;
import com.twitter.heron.api.tuple.Fields;
import com.twitter.heron.common.basics.ByteAmount;
import org.heronbridge.integration.CountedBolt.Work;

/** A stream is read twice and comes together again; the RAM of one component is stated. */
public final class Diamond {
  public static final double LINES_PER_SECOND = 400;
  public static final int JOIN_RAM_MB = 512;

  private Diamond() {}

  public static HeronTopology topology() {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("source", new Lines(LINES_PER_SECOND), 2);
    builder.setBolt("left", new CountedBolt(Work.SPLIT), 3).shuffleGrouping("source");
    builder.setBolt("right", new CountedBolt(Work.FORWARD), 2).shuffleGrouping("source");
    builder.setBolt("join", new CountedBolt(Work.END), 3)
        .fieldsGrouping("left", new Fields("text"))
        .fieldsGrouping("right", new Fields("text"));
    return builder.createTopology();
  }

  public static Config config() {
    Config config = new Config();
    config.setNumStmgrs(2);
    config.setComponentRam("join", ByteAmount.fromMegabytes(JOIN_RAM_MB));
    return config;
  }

  public static void main(String[] args) throws Exception {
    HeronSubmitter.submitTopology("Diamond", config(), topology());
  }
}
