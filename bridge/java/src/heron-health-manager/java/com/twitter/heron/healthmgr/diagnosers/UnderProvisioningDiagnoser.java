package com.twitter.heron.healthmgr.diagnosers;

import com.microsoft.dhalion.api.IDiagnoser;

/** Finds components with too few instances. */
public class UnderProvisioningDiagnoser implements IDiagnoser {

  protected UnderProvisioningDiagnoser() {
  }
}
