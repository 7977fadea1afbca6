package org.heronbridge.integration;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.proto.system.PackingPlans;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.common.ConfigLoader;
import com.twitter.heron.spi.common.Key;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.IRepacking;
import com.twitter.heron.spi.packing.PackingPlan;
import com.twitter.heron.spi.packing.PackingPlanProtoDeserializer;
import com.twitter.heron.spi.utils.ReflectionUtils;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

/**
 * Calls the configured packing class where and how Heron does: with configuration read from files,
 * an object made from a class name, and in the JVM of a command or of the health manager. It never
 * calls {@code System.exit}, as the commands do not, so a thread left behind keeps it alive.
 *
 * <pre>
 * submit    CONF DEFN OUT                      two fresh objects, pack() each
 * update    CONF DEFN PLAN CHANGES N OUT       one repack; N = 0: the number of containers stays
 * healthmgr DEFN PLAN CHANGES ROUNDS OUT       repacks in one JVM, configuration in ./heron-conf
 * </pre>
 *
 * CHANGES is {@code component=+2,other=-1} or {@code none}.
 */
public final class CallSites {
  private CallSites() {}

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "submit":
        submit(command(args[1]), topology(args[2]), new Results(Paths.get(args[3])));
        break;
      case "update":
        update(
            command(args[1]),
            trimmed(topology(args[2])),
            plan(args[3]),
            changes(args[4]),
            Integer.parseInt(args[5]),
            new Results(Paths.get(args[6])));
        break;
      case "healthmgr":
        resolve(
            Config.toClusterMode(identified(ConfigLoader.loadClusterConfig())),
            trimmed(topology(args[1])),
            plan(args[2]),
            changes(args[3]),
            Integer.parseInt(args[4]),
            new Results(Paths.get(args[5])));
        break;
      default:
        throw new IllegalArgumentException(args[0]);
    }
  }

  private static void submit(Config config, TopologyAPI.Topology topology, Results results)
      throws Exception {
    PackingPlan first = pack(config, topology, results);
    int containers = first.getContainers().size();
    TopologyAPI.Topology deployed = topology;
    if (containers != Parallelism.containers(topology)) {
      deployed = withContainers(topology, containers);
    }
    pack(config, deployed, results);
    results.topology(trimmed(deployed));
  }

  private static PackingPlan pack(Config config, TopologyAPI.Topology topology, Results results)
      throws Exception {
    IPacking packing = ReflectionUtils.newInstance(config.getStringValue(Key.PACKING_CLASS));
    try {
      packing.initialize(config, topology);
      return results.record("pack", packing::pack);
    } finally {
      packing.close();
    }
  }

  private static void update(
      Config config,
      TopologyAPI.Topology topology,
      PackingPlan current,
      Map<String, Integer> changes,
      int containers,
      Results results)
      throws Exception {
    IRepacking packing = ReflectionUtils.newInstance(config.getStringValue(Key.REPACKING_CLASS));
    try {
      packing.initialize(config, topology);
      if (containers == 0) {
        results.record("repack", () -> packing.repack(current, changes));
      } else {
        results.record("repack", () -> repack(packing, current, containers, changes));
      }
    } finally {
      packing.close();
    }
  }

  private static void resolve(
      Config config,
      TopologyAPI.Topology topology,
      PackingPlan current,
      Map<String, Integer> changes,
      int rounds,
      Results results)
      throws Exception {
    for (int round = 0; round < rounds; round++) {
      update(config, topology, current, changes, 0, results);
      results.threads(Thread.activeCount());
    }
  }

  /** The method is in the interface of one of the two SPIs only; classes have it for both. */
  private static PackingPlan repack(
      IRepacking packing, PackingPlan current, int containers, Map<String, Integer> changes)
      throws Exception {
    try {
      return (PackingPlan)
          packing
              .getClass()
              .getMethod("repack", PackingPlan.class, int.class, Map.class)
              .invoke(packing, current, containers, changes);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof Exception) {
        throw (Exception) e.getCause();
      }
      throw e;
    }
  }

  private static Config command(String conf) {
    return Config.toLocalMode(
        identified(
            ConfigLoader.loadConfig(
                conf, conf, conf + "/release.yaml", conf + "/override.yaml")));
  }

  private static Config identified(Config config) {
    return Config.newBuilder()
        .putAll(config)
        .put(Key.CLUSTER, "local")
        .put(Key.ROLE, "tester")
        .put(Key.ENVIRON, "default")
        .put(Key.SUBMIT_USER, "tester")
        .put(Key.DRY_RUN, Boolean.FALSE)
        .put(Key.VERBOSE, Boolean.FALSE)
        .build();
  }

  private static TopologyAPI.Topology topology(String file) throws Exception {
    return TopologyAPI.Topology.parseFrom(Files.readAllBytes(Paths.get(file)));
  }

  private static PackingPlan plan(String file) throws Exception {
    Path path = Paths.get(file);
    return new PackingPlanProtoDeserializer()
        .fromProto(PackingPlans.PackingPlan.parseFrom(Files.readAllBytes(path)));
  }

  private static Map<String, Integer> changes(String text) {
    Map<String, Integer> changes = new HashMap<>();
    if (!text.equals("none")) {
      for (String change : text.split(",")) {
        String[] parts = change.split("=");
        changes.put(parts[0], Integer.valueOf(parts[1]));
      }
    }
    return changes;
  }

  /** The number of containers that the first plan of a submit has, as the second is told it. */
  private static TopologyAPI.Topology withContainers(TopologyAPI.Topology topology, int count) {
    TopologyAPI.Topology.Builder builder = topology.toBuilder();
    builder.getTopologyConfigBuilder().getKvsBuilderList().stream()
        .filter(kv -> kv.getKey().equals(Parallelism.CONTAINERS_KEY))
        .forEach(kv -> kv.setValue(Integer.toString(count)));
    return builder.build();
  }

  /** What the state manager keeps of a topology: everything but the serialised components. */
  private static TopologyAPI.Topology trimmed(TopologyAPI.Topology topology) {
    TopologyAPI.Topology.Builder builder = topology.toBuilder();
    builder.getSpoutsBuilderList().forEach(s -> s.getCompBuilder().clearSerializedObject());
    builder.getBoltsBuilderList().forEach(b -> b.getCompBuilder().clearSerializedObject());
    return builder.build();
  }
}
