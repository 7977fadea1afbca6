package com.twitter.heron.healthmgr.detectors;

import com.microsoft.dhalion.api.IDetector;

/** Sees components with much waiting for their instances. */
public class LargeWaitQueueDetector implements IDetector {

  protected LargeWaitQueueDetector() {
  }
}
