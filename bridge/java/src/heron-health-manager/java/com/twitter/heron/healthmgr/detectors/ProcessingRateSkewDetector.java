package com.twitter.heron.healthmgr.detectors;

import com.microsoft.dhalion.api.IDetector;

/** Sees components whose instances execute unequal numbers of tuples. */
public class ProcessingRateSkewDetector implements IDetector {

  protected ProcessingRateSkewDetector() {
  }
}
