package org.heronbridge.health;

import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

/**
 * What the parts of the policy found in one cycle. Dhalion's own tables keep half an hour of
 * everything, and tell a newest minute from an older one by the time of a measurement alone.
 */
final class CycleView {

  private final LoadSensor sensor;
  private final Duration window;
  private final List<String> failures = new ArrayList<>();
  private Collection<Measurement> measurements = Collections.emptyList();
  private Collection<Symptom> symptoms = Collections.emptyList();

  /**
   * A view.
   *
   * @param window over which the sensors measure; the longest of them
   */
  CycleView(LoadSensor sensor, Duration window) {
    this.sensor = sensor;
    this.window = window;
  }

  /** A part without which nothing can be judged has failed. */
  void failed(String sentence) {
    failures.add(sentence);
  }

  void measured(Collection<Measurement> found) {
    measurements = found;
  }

  void detected(Collection<Symptom> found) {
    symptoms = found;
  }

  /** The topology that was measured; null when it could not be read. */
  RunningTopology running() {
    return sensor.running();
  }

  /** What failed in this cycle, in words; told once. */
  List<String> takeFailures() {
    List<String> taken = new ArrayList<>(failures);
    failures.clear();
    return taken;
  }

  Duration window() {
    return window;
  }

  /** All of it; only when {@link #running()} is there. */
  Observation observation(Collection<Diagnosis> diagnoses) {
    return new Observation(running(), sensor.measured(), measurements, symptoms, diagnoses);
  }
}
