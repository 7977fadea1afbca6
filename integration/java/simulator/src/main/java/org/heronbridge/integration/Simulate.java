package org.heronbridge.integration;

import com.twitter.heron.api.Config;
import com.twitter.heron.api.HeronTopology;
import com.twitter.heron.simulator.Simulator;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Runs a topology in the in-process runtime for a while and writes what every instance has done:
 * the counts at both ends of a window, and those after the spouts have stopped and all that was
 * under way has arrived, which are exact.
 *
 * <p>Arguments: name of the topology, seconds of warm-up, seconds of window, file to write.
 */
public final class Simulate {
  private static final long QUIET_MS = 1_000;
  private static final long PATIENCE_MS = 60_000;

  private Simulate() {}

  /** The counts of an instance at a moment. */
  private static final class Reading {
    final long nanos = System.nanoTime();
    final long emitted;
    final long executed;
    final long executeNanos;

    Reading(Tally tally) {
      emitted = tally.emitted.get();
      executed = tally.executed.get();
      executeNanos = tally.executeNanos.get();
    }

    String json() {
      return String.format(
          Locale.ROOT,
          "{\"nanos\": %d, \"emitted\": %d, \"executed\": %d, \"execute_nanos\": %d}",
          nanos, emitted, executed, executeNanos);
    }
  }

  public static void main(String[] args) throws Exception {
    String name = args[0];
    boolean diamond = name.equals("Diamond");
    HeronTopology topology = diamond ? Diamond.topology() : WordCount.topology();
    Config config = diamond ? Diamond.config() : WordCount.config();

    Simulator simulator = new Simulator();
    simulator.submitTopology(name, config, topology);
    sleepSeconds(args[1]);
    Map<Integer, Reading> first = read();
    sleepSeconds(args[2]);
    Map<Integer, Reading> last = read();
    Lines.stop();
    boolean drained = awaitQuiet();
    Map<Integer, Reading> total = read();
    write(Paths.get(args[3]), drained, first, last, total);
    // The runtime's own shutdown ends the JVM with a failure, by design: it has no other way.
    Runtime.getRuntime().halt(0);
  }

  private static void sleepSeconds(String seconds) throws InterruptedException {
    Thread.sleep((long) (Double.parseDouble(seconds) * 1000));
  }

  private static Map<Integer, Reading> read() {
    return Tally.all().stream().collect(Collectors.toMap(t -> t.task, Reading::new));
  }

  private static long executed() {
    return Tally.all().stream().mapToLong(t -> t.executed.get()).sum();
  }

  private static boolean awaitQuiet() throws InterruptedException {
    long end = System.currentTimeMillis() + PATIENCE_MS;
    long before = -1;
    while (System.currentTimeMillis() < end) {
      long now = executed();
      if (now == before) {
        return true;
      }
      before = now;
      Thread.sleep(QUIET_MS);
    }
    return false;
  }

  private static void write(
      Path file,
      boolean drained,
      Map<Integer, Reading> first,
      Map<Integer, Reading> last,
      Map<Integer, Reading> total)
      throws Exception {
    List<Tally> tallies =
        Tally.all().stream()
            .sorted(Comparator.comparingInt(t -> t.task))
            .collect(Collectors.toList());
    String instances =
        tallies.stream()
            .map(
                t ->
                    String.format(
                        "  {\"component\": \"%s\", \"index\": %d, \"task\": %d,%n"
                            + "   \"first\": %s,%n   \"last\": %s,%n   \"total\": %s,%n"
                            + "   \"keys\": {%s}}",
                        t.component, t.index, t.task,
                        first.get(t.task).json(), last.get(t.task).json(),
                        total.get(t.task).json(), keys(t)))
            .collect(Collectors.joining(",\n"));
    String json = String.format("{\"drained\": %b, \"instances\": [%n%s%n]}%n", drained, instances);
    Files.write(file, json.getBytes(StandardCharsets.UTF_8));
  }

  private static String keys(Tally tally) {
    return tally.keys().entrySet().stream()
        .map(e -> "\"" + e.getKey() + "\": " + e.getValue())
        .collect(Collectors.joining(", "));
  }
}
