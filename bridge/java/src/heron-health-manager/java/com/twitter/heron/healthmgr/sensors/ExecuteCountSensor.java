package com.twitter.heron.healthmgr.sensors;

import com.microsoft.dhalion.api.ISensor;

/** Measures, per bolt instance, the tuples that it executed. */
public class ExecuteCountSensor implements ISensor {

  protected ExecuteCountSensor() {
  }
}
