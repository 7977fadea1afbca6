package org.heronbridge.integration;

import com.twitter.heron.api.topology.TopologyContext;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;

/**
 * What one task has done so far. The runtime serialises instances and creates them again, so they
 * find their counts through the JVM and not through a reference.
 */
final class TaskCounts {
  private static final ConcurrentMap<Integer, TaskCounts> BY_TASK = new ConcurrentHashMap<>();

  final String component;
  final int index;
  final int task;
  /** Tuples by stream; counted before they are handed to the runtime. */
  final Map<String, AtomicLong> emitted;
  /** Tuples; counted after execute. */
  final AtomicLong executed = new AtomicLong();
  /** Time in execute. */
  final AtomicLong executeNanos = new AtomicLong();
  /** Of a spout; null of a bolt. */
  final Schedule schedule;

  private TaskCounts(TopologyContext context, List<Output> outputs, Schedule schedule) {
    this.component = context.getThisComponentId();
    this.index = context.getThisTaskIndex();
    this.task = context.getThisTaskId();
    this.emitted =
        outputs.stream().collect(Collectors.toMap(o -> o.stream, o -> new AtomicLong()));
    this.schedule = schedule;
  }

  static TaskCounts ofSpout(TopologyContext context, List<Output> outputs, Schedule schedule) {
    TaskCounts counts = new TaskCounts(context, outputs, schedule);
    BY_TASK.put(counts.task, counts);
    return counts;
  }

  static TaskCounts ofBolt(TopologyContext context, List<Output> outputs) {
    return ofSpout(context, outputs, null);
  }

  /** One for each task that has started. */
  static Collection<TaskCounts> all() {
    return BY_TASK.values();
  }
}
