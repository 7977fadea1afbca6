package org.heronbridge.integration;

import com.twitter.heron.common.basics.Communicator;
import com.twitter.heron.proto.system.HeronTuples.HeronTupleSet;
import com.twitter.heron.shaded.com.google.protobuf.Message;
import com.twitter.heron.simulator.Simulator;
import com.twitter.heron.simulator.executors.InstanceExecutor;
import java.lang.reflect.Field;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * The runtime's queues: what waits before each task, and whether that stops the topology.
 *
 * <p>One thread moves tuple sets from the out-queues of instances to the in-queues of others. It
 * moves none while one in-queue that it has sets for is full, which is at five sets
 * (StreamExecutor.drainCache, InstanceExecutor.CAPACITY). Then out-queues fill, and an instance
 * that finds two sets in its own neither executes nor asks its spout for tuples
 * (OutgoingTupleCollection.isOutQueuesAvailable). This is the runtime's back-pressure; it has no
 * water marks. The queues are private, so they are reached by reflection.
 */
final class Queues {
  /** Tuple sets; more than a bolt ever has. */
  private static final int UNBOUNDED = Integer.MAX_VALUE / 2;

  private final Map<Integer, Communicator<Message>> in = new TreeMap<>();
  private final Map<Integer, Collection<?>> buffers = new TreeMap<>();

  /**
   * Finds the queues, and lets {@code bolts} have as much in their out-queues as they like.
   *
   * <p>Heron's back-pressure stops spouts alone. The runtime also stops bolts, and for ever when a
   * bolt with a full in-queue has a full out-queue: the thread waits for the in-queue, the bolt for
   * the out-queue. What a bolt emits stays bounded by what its in-queue holds.
   */
  Queues(Simulator simulator, Set<String> bolts) throws ReflectiveOperationException {
    Field executors = Simulator.class.getDeclaredField("instanceExecutors");
    executors.setAccessible(true);
    Field buffer = Communicator.class.getDeclaredField("buffer");
    buffer.setAccessible(true);
    for (Object each : (Collection<?>) executors.get(simulator)) {
      InstanceExecutor executor = (InstanceExecutor) each;
      in.put(executor.getTaskId(), executor.getStreamInQueue());
      buffers.put(
          executor.getTaskId(), (Collection<?>) buffer.get(executor.getStreamInQueue()));
      if (bolts.contains(executor.getComponentName())) {
        executor
            .getStreamOutQueue()
            .init(UNBOUNDED, UNBOUNDED, InstanceExecutor.CURRENT_SAMPLE_WEIGHT);
      }
    }
  }

  Collection<Integer> tasks() {
    return in.keySet();
  }

  boolean full(int task) {
    return in.get(task).remainingCapacity() <= 0;
  }

  /** Tuples that wait; the set that a bolt is at work on is not among them. */
  int tuples(int task) {
    int found = 0;
    for (Object message : buffers.get(task)) {
      if (message instanceof HeronTupleSet) {
        found += ((HeronTupleSet) message).getData().getTuplesCount();
      }
    }
    return found;
  }
}
