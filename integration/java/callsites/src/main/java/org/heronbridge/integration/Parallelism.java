package org.heronbridge.integration;

import com.twitter.heron.api.generated.TopologyAPI;
import java.util.Map;
import java.util.TreeMap;

/** What a topology says about numbers of instances and of containers. */
final class Parallelism {
  static final String CONTAINERS_KEY = "topology.stmgrs";
  private static final String PARALLELISM_KEY = "topology.component.parallelism";

  private Parallelism() {}

  /** Instances per component. */
  static Map<String, Integer> of(TopologyAPI.Topology topology) {
    Map<String, Integer> counts = new TreeMap<>();
    topology.getSpoutsList().forEach(spout -> put(counts, spout.getComp()));
    topology.getBoltsList().forEach(bolt -> put(counts, bolt.getComp()));
    return counts;
  }

  /** The number of containers asked for. */
  static int containers(TopologyAPI.Topology topology) {
    return Integer.parseInt(value(topology.getTopologyConfig(), CONTAINERS_KEY, "1"));
  }

  private static void put(Map<String, Integer> counts, TopologyAPI.Component component) {
    counts.put(
        component.getName(), Integer.valueOf(value(component.getConfig(), PARALLELISM_KEY, "1")));
  }

  private static String value(TopologyAPI.Config config, String key, String otherwise) {
    return config.getKvsList().stream()
        .filter(kv -> kv.getKey().equals(key))
        .map(TopologyAPI.Config.KeyValue::getValue)
        .findFirst()
        .orElse(otherwise);
  }
}
