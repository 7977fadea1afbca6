package org.heronbridge.health;

import com.microsoft.dhalion.api.IDetector;
import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.api.ISensor;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Measurement;
import com.microsoft.dhalion.core.Symptom;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import java.util.Collection;
import java.util.Collections;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.heronbridge.Sentences;

/**
 * Keeps what parts of the policy throw away from Dhalion's executor, which would never run any policy
 * again: {@code PoliciesExecutor} schedules one task for all, and an exception ends it. A part that
 * fails finds nothing, and the failure is told in words.
 */
final class Guard {

  private final Consumer<String> failed;

  /**
   * A guard.
   *
   * @param failed gets a sentence for each failure
   */
  Guard(Consumer<String> failed) {
    this.failed = failed;
  }

  ISensor around(ISensor sensor) {
    return new ISensor() {
      @Override
      public void initialize(ExecutionContext context) {
        sensor.initialize(context);
      }

      @Override
      public Collection<String> getMetricTypes() {
        return sensor.getMetricTypes();
      }

      @Override
      public Collection<Measurement> fetch() {
        return found(sensor, sensor::fetch);
      }

      @Override
      public void close() {
        sensor.close();
      }
    };
  }

  IDetector around(IDetector detector) {
    return new IDetector() {
      @Override
      public void initialize(ExecutionContext context) {
        detector.initialize(context);
      }

      @Override
      public Collection<String> getSymptomTypes() {
        return detector.getSymptomTypes();
      }

      @Override
      public Collection<Symptom> detect(Collection<Measurement> measurements) {
        return found(detector, () -> detector.detect(measurements));
      }

      @Override
      public void close() {
        detector.close();
      }
    };
  }

  IDiagnoser around(IDiagnoser diagnoser) {
    return new IDiagnoser() {
      @Override
      public void initialize(ExecutionContext context) {
        diagnoser.initialize(context);
      }

      @Override
      public Collection<String> getDiagnosisTypes() {
        return diagnoser.getDiagnosisTypes();
      }

      @Override
      public Collection<Diagnosis> diagnose(Collection<Symptom> symptoms) {
        return found(diagnoser, () -> diagnoser.diagnose(symptoms));
      }

      @Override
      public void close() {
        diagnoser.close();
      }
    };
  }

  private <T> Collection<T> found(Object part, Supplier<Collection<T>> work) {
    try {
      Collection<T> found = work.get();
      return found == null ? Collections.emptyList() : found;
    } catch (Throwable t) {
      failed.accept(part.getClass().getSimpleName() + " failed: " + Sentences.of(t));
      return Collections.emptyList();
    }
  }
}
