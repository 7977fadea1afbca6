package org.heronbridge;

import com.google.protobuf.DiscardUnknownFieldsParser;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Set;
import org.heronbridge.wire.Component;
import org.heronbridge.wire.Config;
import org.heronbridge.wire.Topology;

/**
 * Takes everything out of a topology that planning does not read: serialized components, class names
 * and serialized values, because {@code heron.proto} does not declare them, and every setting that is
 * not listed here.
 */
final class TopologyTrimmer {

  static final String PARALLELISM = "topology.component.parallelism";
  static final String RAM_MAP = "topology.component.rammap";
  static final String CONTAINER_CPU = "topology.container.cpu";
  static final String CONTAINER_RAM = "topology.container.ram";
  static final String CONTAINER_DISK = "topology.container.disk";

  private static final Set<String> TOPOLOGY_KEYS = setOf(
      "topology.stmgrs",
      CONTAINER_CPU,
      CONTAINER_RAM,
      CONTAINER_DISK,
      "topology.container.max.cpu.hint",
      "topology.container.max.ram.hint",
      "topology.container.max.disk.hint",
      "topology.container.max.instances",
      "topology.container.padding.percentage",
      "topology.container.ram.padding",
      "topology.container.cpu.padding",
      RAM_MAP,
      "topology.component.cpumap",
      "topology.component.diskmap",
      "topology.stmgr.ram",
      "topology.metricsmgr.ram",
      "topology.stateful.checkpointmanager.ram",
      "topology.reliability.mode",
      "topology.acking",
      "topology.packing.ffd.sorting.strategy",
      "topology.max.spout.pending",
      "topology.update.deactivate.wait.secs",
      "topology.update.reactivate.wait.secs",
      "topology.droptuples.upon.backpressure");

  private static final Set<String> COMPONENT_KEYS = setOf(PARALLELISM);

  private TopologyTrimmer() {
  }

  /**
   * What may travel of a topology.
   *
   * @param heronTopology bytes of Heron's own message
   * @throws InvalidProtocolBufferException when they are none
   */
  static Topology trim(byte[] heronTopology) throws InvalidProtocolBufferException {
    Topology.Builder topology =
        DiscardUnknownFieldsParser.wrap(Topology.parser()).parseFrom(heronTopology).toBuilder();
    topology.setTopologyConfig(only(TOPOLOGY_KEYS, topology.getTopologyConfig()));
    for (int i = 0; i < topology.getSpoutsCount(); i++) {
      topology.getSpoutsBuilder(i).setComp(trim(topology.getSpouts(i).getComp()));
    }
    for (int i = 0; i < topology.getBoltsCount(); i++) {
      topology.getBoltsBuilder(i).setComp(trim(topology.getBolts(i).getComp()));
    }
    return topology.build();
  }

  private static Component trim(Component component) {
    return component.toBuilder().setConfig(only(COMPONENT_KEYS, component.getConfig())).build();
  }

  private static Config only(Set<String> keys, Config config) {
    Config.Builder kept = Config.newBuilder();
    for (Config.KeyValue entry : config.getKvsList()) {
      if (keys.contains(entry.getKey())) {
        kept.addKvs(entry);
      }
    }
    return kept.build();
  }

  private static Set<String> setOf(String... keys) {
    return Collections.unmodifiableSet(new HashSet<>(Arrays.asList(keys)));
  }
}
