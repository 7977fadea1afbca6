package org.heronbridge.health;

/** Names that Heron's health manager gives to measurements, symptoms and diagnoses. */
final class HeronHealth {

  /** Milliseconds per second for which an instance held the spouts back (BaseSensor.java). */
  static final String BACK_PRESSURE_MS = "__time_spent_back_pressure_by_compid/";
  /** A component holds the spouts back (BaseDetector.java). */
  static final String COMPONENT_BACK_PRESSURE = "BackPressureDetectorComponent";
  /** Instances that execute more than their siblings (SkewDetector.java). */
  static final String RATE_SKEW = "POSITIVE ProcessingRateSkewDetector";
  /** Assigned to instances (BaseDiagnoser.java). */
  static final String SLOW_INSTANCE = "SlowInstanceDiagnoser";
  /** Assigned to instances (BaseDiagnoser.java). */
  static final String DATA_SKEW = "DataSkewDiagnoser";

  private HeronHealth() {
  }

  /**
   * Task of an instance id such as {@code container_1_count_4}.
   *
   * @return -1 when the id has another form
   */
  static int task(String instanceId) {
    String digits = instanceId.substring(instanceId.lastIndexOf('_') + 1);
    return digits.matches("\\d{1,9}") ? Integer.parseInt(digits) : -1;
  }
}
