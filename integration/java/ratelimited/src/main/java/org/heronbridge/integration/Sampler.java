package org.heronbridge.integration;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** Looks at the in-queues again and again: what waits, and who is full while spouts are held. */
final class Sampler implements Runnable {
  private static final long PERIOD_NANOS = 5_000_000;

  private final Queues queues;
  /** Looks so far. */
  final AtomicLong samples = new AtomicLong();
  /** Looks at which a spout had to hold back tuples. */
  final AtomicLong held = new AtomicLong();
  /** Of those, the ones at which the task's in-queue was full. */
  final Map<Integer, AtomicLong> causes = new ConcurrentHashMap<>();
  /** Sum over all looks of the tuples that waited. */
  final Map<Integer, AtomicLong> waiting = new ConcurrentHashMap<>();

  Sampler(Queues queues) {
    this.queues = queues;
    for (int task : queues.tasks()) {
      causes.put(task, new AtomicLong());
      waiting.put(task, new AtomicLong());
    }
  }

  @Override
  public void run() {
    while (true) {
      look();
      LockSupport.parkNanos(PERIOD_NANOS);
    }
  }

  private void look() {
    boolean holding = false;
    for (TaskCounts counts : TaskCounts.all()) {
      Schedule schedule = counts.schedule;
      holding |= schedule != null && schedule.holding();
    }
    for (int task : queues.tasks()) {
      waiting.get(task).addAndGet(queues.tuples(task));
      if (holding && queues.full(task)) {
        causes.get(task).incrementAndGet();
      }
    }
    if (holding) {
      held.incrementAndGet();
    }
    samples.incrementAndGet();
  }
}
