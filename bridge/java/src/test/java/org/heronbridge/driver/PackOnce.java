package org.heronbridge.driver;

import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.PackingPlan;
import java.io.PrintWriter;
import java.util.Collections;
import org.heronbridge.BridgePacking;

/**
 * What Heron does in a JVM of its own: packs, repacks in both ways, closes and returns from main.
 *
 * <p>Arguments: address of the bridge, file to write the outcome to, a line for each item,
 * and for TLS the authority, the certificate and its key.
 */
public final class PackOnce {

  private PackOnce() {
  }

  /** Runs once. */
  public static void main(String[] args) throws Exception {
    try (PrintWriter out = new PrintWriter(args[1], "UTF-8")) {
      Config.Builder settings = Config.newBuilder(true)
          .put("heron.packing.bridge.address", args[0])
          .put("heron.packing.bridge.timeout.ms", 60000)
          .put("heron.packing.bridge.headroom", 0.5)
          .put("heron.packing.bridge.probability", "0.8")
          .put("heron.packing.bridge.effort", "quick")
          .put("heron.packing.bridge.spread.components", true)
          .put("heron.packing.bridge.fallback.packing", DealingPacking.class.getName())
          .put("heron.packing.bridge.fallback.repacking", DealingPacking.class.getName());
      if (args.length > 2) {
        settings
            .put("heron.packing.bridge.tls.ca", args[2])
            .put("heron.packing.bridge.tls.cert", args[3])
            .put("heron.packing.bridge.tls.key", args[4]);
      }
      Config config = Config.toLocalMode(settings.build());
      BridgePacking packing = new BridgePacking();
      packing.initialize(config, Topologies.wordCount(2, 2, 2));
      long start = System.nanoTime();
      PackingPlan packed = packing.pack();
      out.println("packed " + taskOf(packed, "word", 0));
      out.println("ms " + (System.nanoTime() - start) / 1_000_000);
      out.println("repacked " + taskOf(
          packing.repack(packed.cloneWithHomogeneousScheduledResource(), Collections.emptyMap()),
          "word", 0));
      out.println("repacked by number " + taskOf(
          packing.repack(packed, 2, Collections.emptyMap()), "word", 0));
      packing.close();

      for (Thread thread : Thread.getAllStackTraces().keySet()) {
        if (!thread.isDaemon() && thread != Thread.currentThread()) {
          out.println("not a daemon " + thread.getName());
        }
      }
      int before = Thread.activeCount();
      for (int i = 0; i < 10; i++) {
        BridgePacking another = new BridgePacking();
        another.initialize(config, Topologies.wordCount(2, 2, 2));
        another.pack();
        another.close();
      }
      // gRPC keeps a shared timer for a second after the last use.
      for (int i = 0; i < 300 && Thread.activeCount() > before; i++) {
        Thread.sleep(10);
      }
      out.println("threads added " + Math.max(0, Thread.activeCount() - before));
      out.println("end");
    }
  }

  private static int taskOf(PackingPlan plan, String component, int index) {
    for (PackingPlan.ContainerPlan container : plan.getContainers()) {
      for (PackingPlan.InstancePlan instance : container.getInstances()) {
        if (instance.getComponentName().equals(component)
            && instance.getComponentIndex() == index) {
          return instance.getTaskId();
        }
      }
    }
    return 0;
  }
}
