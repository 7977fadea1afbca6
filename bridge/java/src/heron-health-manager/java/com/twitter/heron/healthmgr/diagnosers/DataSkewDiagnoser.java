package com.twitter.heron.healthmgr.diagnosers;

import com.microsoft.dhalion.api.IDiagnoser;

/** Finds instances that get more tuples than their siblings. */
public class DataSkewDiagnoser implements IDiagnoser {

  protected DataSkewDiagnoser() {
  }
}
