package org.heronbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.InvalidProtocolBufferException;
import com.twitter.heron.api.generated.TopologyAPI;
import java.nio.charset.StandardCharsets;
import org.heronbridge.driver.Topologies;
import org.heronbridge.wire.Grouping;
import org.heronbridge.wire.Topology;
import org.junit.jupiter.api.Test;

/** What travels of a topology, and what does not. */
class TopologyTrimmerTest {

  private final TopologyAPI.Topology heron = Topologies.wordCount(3, 4, 2);

  @Test
  void whatPlanningReadsStays() throws Exception {
    Topology topology = TopologyTrimmer.trim(heron.toByteArray());
    assertEquals("WordCount123", topology.getId());
    assertEquals("WordCount", topology.getName());
    assertEquals(1, topology.getState());
    assertEquals("topology.stmgrs", topology.getTopologyConfig().getKvs(0).getKey());
    assertEquals("2", topology.getTopologyConfig().getKvs(0).getValue());
    assertEquals("word", topology.getSpouts(0).getComp().getName());
    assertEquals("3", topology.getSpouts(0).getComp().getConfig().getKvs(0).getValue());
    assertEquals("word", topology.getBolts(0).getInputs(0).getStream().getComponentName());
    assertEquals(Grouping.FIELDS, topology.getBolts(0).getInputs(0).getGtype());
    assertEquals("word", topology.getBolts(0).getInputs(0).getGroupingFields().getKeys(0).getKey());
  }

  @Test
  void whatIsSecretOrLargeGoes() throws Exception {
    TopologyAPI.Topology.Builder large = heron.toBuilder();
    byte[] secret = "secret".repeat(100_000).getBytes(StandardCharsets.UTF_8);
    large.getSpoutsBuilder(0).getCompBuilder()
        .setSerializedObject(com.google.protobuf.ByteString.copyFrom(secret));
    large.getBoltsBuilder(0).getInputsBuilder(0)
        .setCustomGroupingObject(com.google.protobuf.ByteString.copyFrom(secret));
    large.getTopologyConfigBuilder().addKvs(TopologyAPI.Config.KeyValue.newBuilder()
        .setKey("topology.container.ram")
        .setType(TopologyAPI.ConfigValueType.JAVA_SERIALIZED_VALUE)
        .setSerializedValue(com.google.protobuf.ByteString.copyFrom(secret)));
    byte[] trimmed = TopologyTrimmer.trim(large.build().toByteArray()).toByteArray();
    assertTrue(trimmed.length < 500, () -> trimmed.length + " bytes");
    assertFalse(new String(trimmed, StandardCharsets.ISO_8859_1).contains("secret"));
  }

  @Test
  void bytesThatAreNoTopology() {
    assertThrows(InvalidProtocolBufferException.class,
        () -> TopologyTrimmer.trim(new byte[] {1, 2, 3}));
  }
}
