package org.heronbridge.integration;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.PackingPlanProtoSerializer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.concurrent.Callable;

/**
 * Leaves what a call gave in a directory: each plan as the bytes that Heron would store, and in
 * {@code calls.jsonl} how long it took and what was thrown. Files, because standard output belongs
 * to the command.
 */
final class Results {
  private static final String CALLS = "calls.jsonl";
  private final Path directory;
  private int calls;

  Results(Path directory) {
    this.directory = directory;
  }

  /** Makes the call, records it, and returns the plan; throws what the packing class throws. */
  PackingPlan record(String method, Callable<PackingPlan> call) throws Exception {
    String file = method + "-" + ++calls + ".pb";
    String thrown = "";
    long start = System.nanoTime();
    try {
      PackingPlan plan = call.call();
      double took = (System.nanoTime() - start) / 1e6;
      if (plan == null) {
        file = "";
      } else {
        Files.write(
            directory.resolve(file), new PackingPlanProtoSerializer().toProto(plan).toByteArray());
      }
      line(method, took, file, thrown);
      return plan;
    } catch (PackingException e) {
      line(method, (System.nanoTime() - start) / 1e6, "", "PackingException: " + e.getMessage());
      throw e;
    } catch (Exception | Error e) {
      line(method, (System.nanoTime() - start) / 1e6, "", e.toString());
      throw e;
    }
  }

  void topology(TopologyAPI.Topology topology) throws IOException {
    Files.write(directory.resolve("topology.defn"), topology.toByteArray());
  }

  void threads(int count) throws IOException {
    append(String.format(Locale.ROOT, "{\"method\": \"threads\", \"count\": %d}%n", count));
  }

  private void line(String method, double took, String file, String thrown) throws IOException {
    append(
        String.format(
            Locale.ROOT,
            "{\"method\": \"%s\", \"took_ms\": %.1f, \"file\": \"%s\", \"thrown\": \"%s\"}%n",
            method,
            took,
            file,
            thrown.replaceAll("[\"\\\\\\p{Cntrl}]", " ")));
  }

  private void append(String line) throws IOException {
    Files.writeString(
        directory.resolve(CALLS), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
}
