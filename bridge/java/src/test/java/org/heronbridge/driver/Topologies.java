package org.heronbridge.driver;

import com.twitter.heron.api.generated.TopologyAPI;

/** Topologies to pack. */
public final class Topologies {

  private Topologies() {
  }

  /** {@code word} feeds {@code count}, dealt to {@code containers}. */
  public static TopologyAPI.Topology wordCount(int words, int counts, int containers) {
    return TopologyAPI.Topology.newBuilder()
        .setId("WordCount123")
        .setName("WordCount")
        .setState(TopologyAPI.TopologyState.RUNNING)
        .setTopologyConfig(TopologyAPI.Config.newBuilder()
            .addKvs(entry("topology.stmgrs", String.valueOf(containers)))
            .addKvs(entry("topology.name", "WordCount"))
            .addKvs(entry("topology.worker.childopts", "-Dpassword=secret")))
        .addSpouts(TopologyAPI.Spout.newBuilder()
            .setComp(component("word", words))
            .addOutputs(TopologyAPI.OutputStream.newBuilder()
                .setStream(stream())
                .setSchema(schema())))
        .addBolts(TopologyAPI.Bolt.newBuilder()
            .setComp(component("count", counts))
            .addInputs(TopologyAPI.InputStream.newBuilder()
                .setStream(stream())
                .setGtype(TopologyAPI.Grouping.FIELDS)
                .setGroupingFields(schema())))
        .build();
  }

  private static TopologyAPI.StreamId.Builder stream() {
    return TopologyAPI.StreamId.newBuilder().setId("default").setComponentName("word");
  }

  private static TopologyAPI.StreamSchema.Builder schema() {
    return TopologyAPI.StreamSchema.newBuilder()
        .addKeys(TopologyAPI.StreamSchema.KeyType.newBuilder()
            .setKey("word").setType(TopologyAPI.Type.OBJECT));
  }

  private static TopologyAPI.Component.Builder component(String name, int parallelism) {
    return TopologyAPI.Component.newBuilder()
        .setName(name)
        .setSpec(TopologyAPI.ComponentObjectSpec.JAVA_CLASS_NAME)
        .setClassName("com.example.secret." + name)
        .setConfig(TopologyAPI.Config.newBuilder()
            .addKvs(entry("topology.component.parallelism", String.valueOf(parallelism)))
            .addKvs(entry("database.password", "secret")));
  }

  private static TopologyAPI.Config.KeyValue.Builder entry(String key, String value) {
    return TopologyAPI.Config.KeyValue.newBuilder()
        .setKey(key).setValue(value).setType(TopologyAPI.ConfigValueType.STRING_VALUE);
  }
}
