package org.heronbridge.integration;

import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import org.apache.heron.api.Config;
import org.apache.heron.api.HeronSubmitter;
import org.apache.heron.api.bolt.BaseRichBolt;
import org.apache.heron.api.bolt.OutputCollector;
import org.apache.heron.api.spout.BaseRichSpout;
import org.apache.heron.api.spout.SpoutOutputCollector;
import org.apache.heron.api.topology.OutputFieldsDeclarer;
import org.apache.heron.api.topology.TopologyBuilder;
import org.apache.heron.api.topology.TopologyContext;
import org.apache.heron.api.tuple.Fields;
import org.apache.heron.api.tuple.Tuple;
import org.apache.heron.api.tuple.Values;
import org.apache.heron.common.basics.ByteAmount;

/**
 * A bolt that gets twice what it can take. It only waits, so that the machine has next to nothing to
 * do, and tuples are large, so that buffers are soon full.
 */
public final class Overload {

  private static final double TUPLES_PER_S = 100;
  private static final long SERVICE_NANOS = 20_000_000;
  private static final int TUPLE_BYTES = 100_000;
  private static final int INSTANCE_MB = 512;

  private Overload() {}

  /** Submits it under the name that is given. */
  public static void main(String[] args) throws Exception {
    TopologyBuilder builder = new TopologyBuilder();
    builder.setSpout("source", new Source(), 1);
    builder.setBolt("sink", new Sink(), 1).shuffleGrouping("source");
    Config config = new Config();
    config.setNumStmgrs(1);
    config.setComponentRam("source", ByteAmount.fromMegabytes(INSTANCE_MB));
    config.setComponentRam("sink", ByteAmount.fromMegabytes(INSTANCE_MB));
    HeronSubmitter.submitTopology(args[0], config, builder.createTopology());
  }

  /** Emits at a fixed rate; what it could not emit in time is not made up for. */
  public static final class Source extends BaseRichSpout {
    private static final long serialVersionUID = 1L;

    private transient SpoutOutputCollector collector;
    private transient String payload;

    @Override
    public void open(
        Map<String, Object> conf, TopologyContext context, SpoutOutputCollector outputs) {
      collector = outputs;
      payload = new String(new char[TUPLE_BYTES]).replace('\0', 'x');
    }

    @Override
    public void nextTuple() {
      LockSupport.parkNanos((long) (1e9 / TUPLES_PER_S));
      collector.emit(new Values(payload));
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      declarer.declare(new Fields("payload"));
    }
  }

  /** Takes a fixed time per tuple. */
  public static final class Sink extends BaseRichBolt {
    private static final long serialVersionUID = 1L;

    @Override
    public void prepare(Map<String, Object> conf, TopologyContext context, OutputCollector outputs) {
      // nothing to keep
    }

    @Override
    public void execute(Tuple tuple) {
      LockSupport.parkNanos(SERVICE_NANOS);
    }

    @Override
    public void declareOutputFields(OutputFieldsDeclarer declarer) {
      // the end
    }
  }
}
