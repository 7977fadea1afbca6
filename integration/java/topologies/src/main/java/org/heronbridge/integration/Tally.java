package org.heronbridge.integration;

import com.twitter.heron.api.topology.TopologyContext;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What one instance has done so far. Instances are serialised and recreated by the runtime, so they
 * find their tally through the JVM and not through a reference; in the in-process runtime all of
 * them share one JVM, which is what makes exact counts of a whole topology possible.
 */
public final class Tally {
  private static final ConcurrentMap<Integer, Tally> BY_TASK = new ConcurrentHashMap<>();

  public final String component;
  public final int index;
  public final int task;
  public final AtomicLong emitted = new AtomicLong();
  public final AtomicLong executed = new AtomicLong();
  /** Time inside execute, serialisation of what it emits included. */
  public final AtomicLong executeNanos = new AtomicLong();
  private final ConcurrentMap<String, AtomicLong> keys = new ConcurrentHashMap<>();

  private Tally(String component, int index, int task) {
    this.component = component;
    this.index = index;
    this.task = task;
  }

  static Tally of(TopologyContext context) {
    return BY_TASK.computeIfAbsent(
        context.getThisTaskId(),
        task -> new Tally(context.getThisComponentId(), context.getThisTaskIndex(), task));
  }

  /** One tally for each instance that has started. */
  public static Collection<Tally> all() {
    return BY_TASK.values();
  }

  void saw(String key) {
    keys.computeIfAbsent(key, k -> new AtomicLong()).incrementAndGet();
  }

  /** How often each key arrived. */
  public Map<String, Long> keys() {
    Map<String, Long> counts = new TreeMap<>();
    keys.forEach((key, count) -> counts.put(key, count.get()));
    return counts;
  }
}
