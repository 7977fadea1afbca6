package com.twitter.heron.healthmgr.detectors;

import com.microsoft.dhalion.api.IDetector;

/** Sees components and instances that hold back the spouts. */
public class BackPressureDetector implements IDetector {

  protected BackPressureDetector() {
  }
}
