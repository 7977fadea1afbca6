package com.twitter.heron.healthmgr.sensors;

import com.microsoft.dhalion.api.ISensor;

/** Measures, per bolt instance, the bytes that wait for it in its stream manager. */
public class BufferSizeSensor implements ISensor {

  protected BufferSizeSensor() {
  }
}
