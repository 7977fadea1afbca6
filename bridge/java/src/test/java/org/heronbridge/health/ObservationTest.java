package org.heronbridge.health;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.SymptomKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code word} before {@code count}, two of each unless a test says otherwise. */
class ObservationTest {

  private static final String HELD_BACK = LoadSensor.HELD_BACK_MS;
  private static final long START = 1_000_007;

  private SimulatedCluster cluster = new SimulatedCluster(2, 2);
  private final List<Measurement> load = new ArrayList<>();
  private final List<Measurement> measurements = new ArrayList<>();
  private final List<Symptom> symptoms = new ArrayList<>();

  @Test
  void whatIsOnOfferIsTheRateOfTheTimeInWhichNothingHeldSpoutsBack() throws Exception {
    // 100 tuples/s on offer; half of the last two minutes was lost.
    told("word", "container_1_word_1", "__emit-count/default", 0, 6000, 6000, 3000, 3000, 3000);
    told(LoadSensor.STREAM_MANAGERS, "stmgr-1", HELD_BACK, 0, 0, 0, 30_000, 30_000, 30_000);

    assertEquals(100, observation().offeredPerS(), 1e-9);
  }

  @Test
  void aMinuteBesideOneThatIsHeldBackDoesNotTellWhatIsOnOffer() throws Exception {
    told("word", "container_1_word_1", "__emit-count/default", 6000, 9000, 3000, 3000, 3000);
    told(LoadSensor.STREAM_MANAGERS, "stmgr-1", HELD_BACK, 0, 0, 30_000, 30_000, 30_000);

    assertEquals(100, observation().unhinderedPerS(), 1e-9);
  }

  @Test
  void whereStreamManagersTellNothingNobodyKnowsWhatIsOnOffer() throws Exception {
    told("word", "container_1_word_1", "__emit-count/default", 6000, 6000, 6000, 6000);
    backPressureAtCount();

    assertEquals(0, observation().unhinderedPerS());
  }

  @Test
  void streamManagersMayCountFromAnotherSecond() throws Exception {
    told("word", "container_1_word_1", "__emit-count/default", 6000, 6000, 3000, 3000, 3000);
    for (int minute = 0; minute < 5; minute++) {
      load.add(new Measurement(LoadSensor.STREAM_MANAGERS, "stmgr-1", HELD_BACK,
          Instant.ofEpochSecond(START + 60L * minute - 2), 30_000));
    }

    assertEquals(0, observation().unhinderedPerS());
    assertEquals(75 / 0.5, observation().offeredPerS(), 1e-9);
  }

  @Test
  void anInstanceThatTellsNothingIsNamedAndOneThatIsIdleIsNot() throws Exception {
    told("word", "container_1_word_" + task("word"), "__emit-count/default", 600, 600, 600);
    assertEquals(Set.of(), observation().uncounted(), "nobody tells how long it has run");

    told("word", "container_1_word_" + task("word"), LoadSensor.UPTIME_S, 90, 150, 210);
    assertEquals(1, observation().uncounted().size(), observation().uncounted()::toString);

    for (int task : running().components().keySet()) {
      told("word", "container_1_word_" + task, LoadSensor.UPTIME_S, 90, 150, 210);
    }
    assertEquals(Set.of(), observation().uncounted());
  }

  @ParameterizedTest
  @CsvSource({"1, 0", "1 1, 0", "1 1.49, 0", "1 1.51, 1", "1 1 1.4 1.51, 1",
      "1 1.6 1.6, 0", "1 1 1.6 1.6, 2", "3 1 1 1 2, 2"})
  void anInstanceIsSlowBesideTheMiddleOneOfTheOthers(String timesUs, int slow) throws Exception {
    String[] times = timesUs.split(" ");
    cluster = new SimulatedCluster(2, times.length);
    told("word", "container_1_word_" + task("word"), "__emit-count/default", 600, 600, 600);
    int i = 0;
    for (Map.Entry<Integer, String> task : new TreeMap<>(running().components()).entrySet()) {
      if (task.getValue().equals("count")) {
        double ns = 1000 * Double.parseDouble(times[i++]);
        String id = "container_1_count_" + task.getKey();
        told("count", id, "__execute-count/word/default", 60, 60, 60);
        told("count", id, "__execute-latency/word/default", ns, ns, ns);
      }
    }
    backPressureAtCount();

    assertEquals(slow, observation().symptoms().stream()
        .filter(symptom -> symptom.getKind() == SymptomKind.SLOW_INSTANCE)
        .mapToInt(symptom -> symptom.getTaskIdsCount()).sum());
  }

  @Test
  void anInstanceThatNoLongerRunsIsNotTold() throws Exception {
    told("count", "container_1_count_" + task("count"), "__execute-count/word/default", 600, 600, 600);
    told("count", "container_9_count_99", "__execute-count/word/default", 0, 0, 0);
    measurements.add(new Measurement("count", "container_9_count_99",
        HeronHealth.BACK_PRESSURE_MS, Instant.ofEpochSecond(START), 500));
    AdviseRequest.Builder request = AdviseRequest.newBuilder();

    observation().addTo(request, false);

    assertEquals(1, request.getInstancesCount());
    assertEquals(task("count"), request.getInstances(0).getTaskId());
  }

  private void backPressureAtCount() {
    symptoms.add(new Symptom(
        HeronHealth.COMPONENT_BACK_PRESSURE, Instant.ofEpochSecond(START), List.of("count")));
  }

  private int task(String component) throws Exception {
    return running().components().entrySet().stream()
        .filter(task -> task.getValue().equals(component)).findFirst().orElseThrow().getKey();
  }

  private RunningTopology running() throws Exception {
    return RunningTopology.read(cluster.stateManager(), "WordCount");
  }

  private Observation observation() throws Exception {
    return new Observation(running(), load, measurements, symptoms, List.of());
  }

  private void told(String component, String instance, String metric, double... byMinute) {
    for (int minute = 0; minute < byMinute.length; minute++) {
      load.add(new Measurement(component, instance, metric,
          Instant.ofEpochSecond(START + 60L * minute), byMinute[minute]));
    }
  }
}
