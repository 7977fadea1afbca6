package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.twitter.heron.api.generated.TopologyAPI;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The policy with a real bridge, over a cluster that has no stream managers to be a limit. */
@Timeout(300)
class BridgeHealthPolicyIT {

  @TempDir
  private static Path folder;
  private static RealBridge bridge;

  private final PolicyRun run = new PolicyRun();

  @BeforeAll
  static void start() throws Exception {
    bridge = RealBridge.start(folder);
  }

  @AfterAll
  static void stop() throws Exception {
    bridge.stop();
  }

  @AfterEach
  void end() {
    run.close();
  }

  @Test
  void anOverloadedBoltGetsWhatItNeedsInOneStep() throws Exception {
    drive(60, 2, 4000);

    assertEquals(1, run.cluster.updates.size(), () -> String.join("\n", run.lines));
    assertFalse(run.cluster.isHeldBack());
    // 4 busy instances at 20 % headroom, and the time that Heron itself takes per tuple.
    assertTrue(run.cluster.counts() >= 5 && run.cluster.counts() <= 6, run.cluster.sizes::toString);
    assertSaid("scale up helped");
  }

  @Test
  void whatWasNotNeededForAnHourIsTakenAway() throws Exception {
    drive(200, 8, 1500);

    assertTrue(run.cluster.counts() >= 2 && run.cluster.counts() <= 3,
        () -> String.join("\n", run.lines));
    assertEquals(1, run.cluster.updates.size(), () -> String.join("\n", run.lines));
    assertFalse(run.cluster.isHeldBack());
  }

  @Test
  void whereNoParallelismHelpsNothingIsDone() throws Exception {
    run.cluster.global = true;
    run.cluster.topology = reading(run.cluster.topology, TopologyAPI.Grouping.LOWEST);

    drive(30, 2, 4000);

    assertEquals(0, run.cluster.updates.size(), () -> String.join("\n", run.lines));
    assertSaid("nothing is done");
  }

  private void drive(int minutes, int counts, double offeredPerS) throws Exception {
    if (counts != run.cluster.counts()) {
      run.cluster = new SimulatedCluster(2, counts);
    }
    run.cluster.offeredPerS = minute -> offeredPerS;
    run.settings.put("heron.packing.bridge.address", bridge.address());
    run.settings.put("heron.packing.bridge.timeout.ms", 60_000);
    run.drive(minutes);
  }

  private static TopologyAPI.Topology reading(
      TopologyAPI.Topology topology, TopologyAPI.Grouping grouping) {
    TopologyAPI.Topology.Builder changed = topology.toBuilder();
    changed.getBoltsBuilder(0).getInputsBuilder(0).setGtype(grouping).clearGroupingFields();
    return changed.build();
  }

  private void assertSaid(String words) {
    assertTrue(run.lines.stream().anyMatch(line -> line.contains(words)),
        () -> words + " is not in\n" + String.join("\n", run.lines));
  }
}
