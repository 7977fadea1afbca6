package com.twitter.heron.healthmgr.diagnosers;

import com.microsoft.dhalion.api.IDiagnoser;

/** Finds instances that take longer per tuple than their siblings. */
public class SlowInstanceDiagnoser implements IDiagnoser {

  protected SlowInstanceDiagnoser() {
  }
}
