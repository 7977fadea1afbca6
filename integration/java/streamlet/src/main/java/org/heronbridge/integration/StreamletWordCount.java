package org.heronbridge.integration;

import java.util.Arrays;
import org.apache.heron.streamlet.Builder;
import org.apache.heron.streamlet.Config;
import org.apache.heron.streamlet.Runner;

/** Word count as a chain of operators; the API chooses the groupings. */
public final class StreamletWordCount {
  private StreamletWordCount() {}

  public static void main(String[] args) {
    Builder builder = Builder.newBuilder();
    builder
        .newSource(() -> "the quick brown fox")
        .setName("lines")
        .setNumPartitions(2)
        .<String>flatMap(line -> Arrays.asList(line.split(" ")))
        .setName("words")
        .setNumPartitions(3)
        .countByKey(word -> word)
        .setName("counts")
        .setNumPartitions(4)
        .consume(count -> { });
    Config config = Config.newBuilder().setNumContainers(3).build();
    String name = args.length > 0 ? args[0] : "StreamletWordCount";
    new Runner().run(name, config, builder);
  }
}
