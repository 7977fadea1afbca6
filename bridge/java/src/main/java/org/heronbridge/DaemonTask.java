package org.heronbridge;

import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;

/**
 * Work in a thread of its own that never keeps the JVM alive. Whoever waits for it may stop waiting;
 * what it throws, {@link Error}s too, is kept for {@link #get()}.
 */
final class DaemonTask<T> extends FutureTask<T> {

  private DaemonTask(Callable<T> work) {
    super(work);
  }

  /**
   * Starts the work. Where no thread can be had any more, the caller's does it, before this returns.
   */
  static <T> DaemonTask<T> start(String threadName, Callable<T> work) {
    DaemonTask<T> task = new DaemonTask<>(work);
    try {
      Thread thread = new Thread(task, threadName);
      thread.setDaemon(true);
      thread.start();
    } catch (OutOfMemoryError e) {
      task.run();
    }
    return task;
  }
}
