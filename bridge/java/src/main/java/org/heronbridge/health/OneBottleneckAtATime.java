package org.heronbridge.health;

import com.microsoft.dhalion.api.IDiagnoser;
import com.microsoft.dhalion.core.Diagnosis;
import com.microsoft.dhalion.core.Symptom;
import com.microsoft.dhalion.policy.PoliciesExecutor.ExecutionContext;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Lets one of Heron's diagnosers look at one component with back-pressure after the other. They throw
 * when there are several (for example UnderProvisioningDiagnoser.java:61-64), which is what a
 * topology shows whose bottleneck has just moved.
 */
final class OneBottleneckAtATime implements IDiagnoser {

  private final IDiagnoser diagnoser;

  OneBottleneckAtATime(IDiagnoser diagnoser) {
    this.diagnoser = diagnoser;
  }

  @Override
  public void initialize(ExecutionContext context) {
    diagnoser.initialize(context);
  }

  @Override
  public Collection<Diagnosis> diagnose(Collection<Symptom> symptoms) {
    List<Symptom> bottlenecks = new ArrayList<>();
    List<Symptom> others = new ArrayList<>();
    for (Symptom symptom : symptoms) {
      (symptom.type().equals(HeronHealth.COMPONENT_BACK_PRESSURE) ? bottlenecks : others)
          .add(symptom);
    }
    List<Diagnosis> found = new ArrayList<>();
    for (Symptom bottleneck : bottlenecks) {
      List<Symptom> shown = new ArrayList<>(others);
      shown.add(bottleneck);
      Collection<Diagnosis> diagnoses = diagnoser.diagnose(shown);
      if (diagnoses != null) {
        found.addAll(diagnoses);
      }
    }
    return found;
  }

  @Override
  public void close() {
    diagnoser.close();
  }
}
