package com.twitter.heron.healthmgr.detectors;

import com.microsoft.dhalion.api.IDetector;

/** Sees components with unequal numbers of bytes waiting for their instances. */
public class WaitQueueSkewDetector implements IDetector {

  protected WaitQueueSkewDetector() {
  }
}
