package com.twitter.heron.healthmgr.sensors;

import com.microsoft.dhalion.api.ISensor;

/** Measures, per bolt instance, the milliseconds per second for which it held back the spouts. */
public class BackPressureSensor implements ISensor {

  protected BackPressureSensor() {
  }
}
