package org.heronbridge.integration;

import com.twitter.heron.api.Config;
import com.twitter.heron.simulator.Simulator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Collectors;

/**
 * Runs a topology of fixed-rate spouts and rate limited bolts in the in-process runtime.
 *
 * <p>Reads a {@link Definition} from standard input and then a command per line, each answered by
 * one line of JSON: {@code read} (all counts since the start), {@code factor F} (the offered rate
 * from now on; counts as well), {@code stop MOST_SECONDS} (spouts stop; waits until every tuple was
 * executed, then counts). Ends with the input.
 */
final class RateLimited {
  private static final long PATIENCE_MS = 30_000;

  private final Definition definition;
  private final Sampler sampler;
  private final Queues queues;
  private final PrintStream out = System.out;

  private RateLimited(Definition definition) throws Exception {
    this.definition = definition;
    Simulator simulator = new Simulator();
    Config config = new Config();
    config.setNumStmgrs(1);
    simulator.submitTopology("rate-limited", config, definition.topology());
    queues = new Queues(simulator, definition.bolts());
    sampler = new Sampler(queues);
    awaitStart();
    Thread looking = new Thread(sampler, "sampler");
    looking.setDaemon(true);
    looking.start();
  }

  public static void main(String[] args) throws Exception {
    // The runtime logs every plan and every start, and warns of every serializer.
    Logger.getLogger("").setLevel(Level.SEVERE);
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    RateLimited run = new RateLimited(Definition.read(in));
    run.print("ready", true);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      run.obey(line.split(" "));
    }
    // The runtime's own shutdown ends the JVM with a failure, by design: it has no other way.
    Runtime.getRuntime().halt(0);
  }

  private void obey(String[] words) throws InterruptedException {
    switch (words[0]) {
      case "read":
        print("read", true);
        break;
      case "factor":
        double factor = Double.parseDouble(words[1]);
        for (TaskCounts counts : TaskCounts.all()) {
          if (counts.schedule != null) {
            counts.schedule.setFactor(factor);
          }
        }
        print("factor", true);
        break;
      case "stop":
        print("drained", drain(Double.parseDouble(words[1])));
        break;
      default:
        throw new IllegalArgumentException("no command '" + words[0] + "'; see RateLimited.java");
    }
  }

  private void awaitStart() throws InterruptedException {
    long end = System.currentTimeMillis() + PATIENCE_MS;
    while (TaskCounts.all().size() < definition.instances()) {
      if (System.currentTimeMillis() > end) {
        throw new IllegalStateException(
            TaskCounts.all().size() + " of " + definition.instances() + " instances started in "
                + PATIENCE_MS + " ms");
      }
      Thread.sleep(5);
    }
  }

  private boolean drain(double seconds) throws InterruptedException {
    for (TaskCounts counts : TaskCounts.all()) {
      if (counts.schedule != null) {
        counts.schedule.stop();
      }
    }
    long end = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < end) {
      // A spout that took its tuple before the stop may still be about to count what it emits.
      Thread.sleep(100);
      Map<String, Long> executed =
          TaskCounts.all().stream()
              .collect(
                  Collectors.groupingBy(
                      counts -> counts.component,
                      Collectors.summingLong(counts -> counts.executed.get())));
      if (definition.arrivals().entrySet().stream()
          .allMatch(arrival -> arrival.getValue().equals(executed.get(arrival.getKey())))) {
        return true;
      }
    }
    return false;
  }

  private void print(String what, boolean done) {
    // Executed before emitted: whatever was executed was emitted before.
    Map<Integer, Long> executed = new HashMap<>();
    Map<Integer, Long> executeNanos = new HashMap<>();
    long nanos = System.nanoTime();
    for (TaskCounts counts : TaskCounts.all()) {
      executeNanos.put(counts.task, counts.executeNanos.get());
      executed.put(counts.task, counts.executed.get());
    }
    List<String> tasks = new ArrayList<>();
    TaskCounts.all().stream()
        .sorted(Comparator.comparingInt(counts -> counts.task))
        .forEach(
            counts ->
                tasks.add(
                    String.format(
                        Locale.ROOT,
                        "{\"component\": \"%s\", \"index\": %d, \"executed\": %d, "
                            + "\"execute_nanos\": %d, \"emitted\": {%s}, \"due\": %.3f, "
                            + "\"held\": %.3f, \"queued\": %d, \"waiting_sum\": %d, "
                            + "\"cause_samples\": %d}",
                        counts.component,
                        counts.index,
                        executed.get(counts.task),
                        executeNanos.get(counts.task),
                        counts.emitted.entrySet().stream()
                            .map(e -> "\"" + e.getKey() + "\": " + e.getValue())
                            .collect(Collectors.joining(", ")),
                        counts.schedule == null ? 0 : counts.schedule.due(),
                        counts.schedule == null ? 0 : counts.schedule.held(),
                        queues.tuples(counts.task),
                        sampler.waiting.get(counts.task).get(),
                        sampler.causes.get(counts.task).get())));
    out.printf(
        Locale.ROOT,
        "{\"%s\": %b, \"nanos\": %d, \"samples\": %d, \"held_samples\": %d, \"tasks\": [%s]}%n",
        what, done, nanos, sampler.samples.get(), sampler.held.get(), String.join(", ", tasks));
    out.flush();
  }
}
