package org.heronbridge.benchmark;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.heronbridge.BridgePacking;
import org.heronbridge.driver.DealingPacking;
import org.heronbridge.driver.Topologies;

/**
 * What a call of the plugin takes, from Heron's request to the plan that it gets, beside the call of
 * the packing class alone, in one JVM that is warm.
 *
 * <p>With a bridge listening, from the directory of the pom:
 * <pre>
 * mvn -q test-compile dependency:build-classpath -Dmdep.outputFile=target/classpath
 * java -cp target/classes:target/test-classes:$(cat target/classpath) \
 *     org.heronbridge.benchmark.PluginBenchmark localhost:50550 [packing class]
 * </pre>
 * With a third argument {@code cold}, one call of each in a JVM that is not warm, for 20 instances.
 */
public final class PluginBenchmark {

  private static final int INSTANCES_PER_CONTAINER = 10;
  private static final int[] SIZES = {10, 100, 1_000, 10_000};
  private static final int WARM_UP = 30;
  private static final int CALLS = 40;

  private PluginBenchmark() {
  }

  /** Runs and prints a table. */
  public static void main(String[] args) throws Exception {
    String address = args[0];
    String packingClass = args.length > 1 ? args[1] : DealingPacking.class.getName();
    boolean cold = args.length > 2 && args[2].equals("cold");
    Logger logger = Logger.getLogger(BridgePacking.class.getName());
    logger.setLevel(Level.WARNING);
    System.out.printf("instances  containers  %s  plugin  (median ms, first and last quartile)%n",
        packingClass.substring(packingClass.lastIndexOf('.') + 1));
    for (int size : cold ? new int[] {20} : SIZES) {
      TopologyAPI.Topology topology =
          Topologies.wordCount(size / 2, size - size / 2, Math.max(1, size / INSTANCES_PER_CONTAINER));
      Config config = Config.newBuilder(true)
          .put("heron.packing.bridge.address", address)
          .put("heron.packing.bridge.timeout.ms", 60_000)
          .put("heron.packing.bridge.fallback.packing", packingClass)
          .build();
      String alone;
      String plugin;
      int containers;
      try (IPacking packing =
              (IPacking) Class.forName(packingClass).getConstructor().newInstance();
          BridgePacking bridge = new BridgePacking()) {
        packing.initialize(config, topology);
        bridge.initialize(config, topology);
        alone = cold ? once(packing::pack) : measure(packing::pack);
        plugin = cold ? once(bridge::pack) : measure(bridge::pack);
        containers = bridge.pack().getContainers().size();
      }
      System.out.printf("%9d  %10d  %s  %s%n", size, containers, alone, plugin);
    }
  }

  private static String once(Callable<PackingPlan> call) throws Exception {
    return String.format(Locale.ROOT, "%.1f", time(call));
  }

  private static String measure(Callable<PackingPlan> call) throws Exception {
    for (int i = 0; i < WARM_UP; i++) {
      call.call();
    }
    double[] times = new double[CALLS];
    for (int i = 0; i < CALLS; i++) {
      times[i] = time(call);
    }
    Arrays.sort(times);
    return String.format(Locale.ROOT, "%.2f (%.2f-%.2f)",
        times[CALLS / 2], times[CALLS / 4], times[3 * CALLS / 4]);
  }

  private static double time(Callable<PackingPlan> call) throws Exception {
    long start = System.nanoTime();
    call.call();
    return (System.nanoTime() - start) / 1e6;
  }
}
