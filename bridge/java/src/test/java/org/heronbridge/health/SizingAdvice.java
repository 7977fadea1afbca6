package org.heronbridge.health;

import com.google.protobuf.ByteString;
import com.twitter.heron.spi.packing.PackingPlanProtoSerializer;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.heronbridge.wire.Action;
import org.heronbridge.wire.ActionKind;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;
import org.heronbridge.wire.ComponentLoad;
import org.heronbridge.wire.Symptom;
import org.heronbridge.wire.SymptomKind;

/** Advises as many instances of {@code count} as the load takes: one queue, no stream managers. */
final class SizingAdvice implements Function<AdviseRequest, AdviseResponse> {

  private final SimulatedCluster cluster;

  SizingAdvice(SimulatedCluster cluster) {
    this.cluster = cluster;
  }

  @Override
  public AdviseResponse apply(AdviseRequest request) {
    double heldBack = request.getSymptomsList().stream()
        .filter(symptom -> symptom.getKind() == SymptomKind.BACK_PRESSURE)
        .mapToDouble(Symptom::getBackPressureShare).max().orElse(0);
    double rate = request.getRatePerS() > 0
        ? request.getRatePerS() : load(request, "word").getTuplesPerS() / (1 - heldBack);
    double busy = rate * load(request, "count").getServiceS();
    int wanted = (int) Math.ceil(busy / (1 - request.getHeadroom()) - 1e-9);
    int delta = wanted - cluster.counts();
    if (delta == 0) {
      return AdviseResponse.newBuilder()
          .addActions(Action.newBuilder()
              .setKind(ActionKind.DO_NOTHING)
              .setDescription("do nothing")
              .setChosen(true)
              .addReasons("Every instance is needed."))
          .build();
    }
    return AdviseResponse.newBuilder()
        .addActions(scaling(cluster, Collections.singletonMap("count", delta)))
        .build();
  }

  /** A chosen action with a proper plan. */
  static Action.Builder scaling(SimulatedCluster cluster, Map<String, Integer> deltas) {
    Map<String, Integer> sizes = new TreeMap<>(cluster.runningPlan().getComponentCounts());
    String from = sizes.toString();
    deltas.forEach((component, delta) -> sizes.merge(component, delta, Integer::sum));
    boolean up = deltas.values().stream().anyMatch(delta -> delta > 0);
    return Action.newBuilder()
        .setKind(up ? ActionKind.SCALE_UP : ActionKind.SCALE_DOWN)
        .setFingerprint(from + " to " + sizes)
        .setDescription("scale " + from + " to " + sizes)
        .putAllParallelism(sizes)
        .setPlan(ByteString.copyFrom(
            new PackingPlanProtoSerializer().toProto(cluster.scaled(deltas)).toByteArray()))
        .setDowntimeS(20)
        .setProbability(0.95)
        .setChosen(true)
        .addReasons("It carries the load with the headroom asked for.");
  }

  private static ComponentLoad load(AdviseRequest request, String component) {
    return request.getComponentsList().stream()
        .filter(load -> load.getComponent().equals(component)).findFirst().orElseThrow();
  }
}
