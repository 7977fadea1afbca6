package org.heronbridge.integration;

import com.twitter.heron.api.HeronTopology;
import com.twitter.heron.api.bolt.IRichBolt;
import com.twitter.heron.api.topology.BoltDeclarer;
import com.twitter.heron.api.topology.TopologyBuilder;
import com.twitter.heron.api.tuple.Fields;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A topology described in lines of words, up to the line {@code end}:
 *
 * <pre>
 * spout NAME PARALLELISM TUPLES_PER_S_AND_INSTANCE
 * bolt NAME PARALLELISM SERVICE_S
 * stream SOURCE TARGET ID shuffle|fields SELECTIVITY
 * key ID KEY WEIGHT
 * factor OFFERED_OVER_THE_SPOUTS_RATE
 * </pre>
 */
final class Definition {
  private final List<String[]> components = new ArrayList<>();
  private final List<String[]> streams = new ArrayList<>();
  private final Map<String, List<String>> keys = new LinkedHashMap<>();
  private final Map<String, List<Double>> weights = new LinkedHashMap<>();
  private double factor = 1;

  static Definition read(BufferedReader lines) throws IOException {
    Definition found = new Definition();
    for (String line = lines.readLine(); !"end".equals(line); line = lines.readLine()) {
      if (line == null) {
        throw new IOException("the description of the topology stops before the line 'end'");
      }
      found.add(line.split(" "));
    }
    return found;
  }

  private void add(String[] words) throws IOException {
    switch (words[0]) {
      case "spout":
      case "bolt":
        components.add(words);
        break;
      case "stream":
        streams.add(words);
        break;
      case "key":
        keys.computeIfAbsent(words[1], id -> new ArrayList<>()).add(words[2]);
        weights
            .computeIfAbsent(words[1], id -> new ArrayList<>())
            .add(Double.parseDouble(words[3]));
        break;
      case "factor":
        factor = Double.parseDouble(words[1]);
        break;
      default:
        throw new IOException("a line starts with '" + words[0] + "'; see Definition.java");
    }
  }

  HeronTopology topology() {
    TopologyBuilder builder = new TopologyBuilder();
    for (String[] words : components) {
      String name = words[1];
      int parallelism = Integer.parseInt(words[2]);
      double figure = Double.parseDouble(words[3]);
      if (words[0].equals("spout")) {
        builder.setSpout(name, new FixedRateSpout(figure, factor, outputs(name)), parallelism);
      } else {
        IRichBolt bolt = new RateLimitedBolt(figure, outputs(name));
        subscribe(name, builder.setBolt(name, bolt, parallelism));
      }
    }
    return builder.createTopology();
  }

  private List<Output> outputs(String source) {
    List<Output> found = new ArrayList<>();
    for (String[] words : streams) {
      if (words[1].equals(source)) {
        String id = words[3];
        found.add(
            new Output(
                id,
                Double.parseDouble(words[5]),
                keys.getOrDefault(id, List.of()),
                weights.getOrDefault(id, List.of())));
      }
    }
    return found;
  }

  private void subscribe(String target, BoltDeclarer bolt) {
    for (String[] words : streams) {
      if (!words[2].equals(target)) {
        continue;
      }
      if (words[4].equals("fields")) {
        bolt.fieldsGrouping(words[1], words[3], new Fields("key"));
      } else {
        bolt.shuffleGrouping(words[1], words[3]);
      }
    }
  }

  /** Tuples that were emitted to each bolt so far. */
  Map<String, Long> arrivals() {
    Map<String, Long> found = new LinkedHashMap<>();
    for (String[] words : streams) {
      long emitted =
          TaskCounts.all().stream()
              .filter(counts -> counts.component.equals(words[1]))
              .mapToLong(counts -> counts.emitted.get(words[3]).get())
              .sum();
      found.merge(words[2], emitted, Long::sum);
    }
    return found;
  }

  Set<String> bolts() {
    return components.stream()
        .filter(words -> words[0].equals("bolt"))
        .map(words -> words[1])
        .collect(Collectors.toSet());
  }

  int instances() {
    return components.stream().mapToInt(words -> Integer.parseInt(words[2])).sum();
  }
}
