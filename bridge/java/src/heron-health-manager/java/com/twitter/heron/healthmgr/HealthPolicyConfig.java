package com.twitter.heron.healthmgr;

/** What healthmgr.yaml states of one policy. */
public class HealthPolicyConfig {

  protected HealthPolicyConfig() {
  }

  /** The value of a key, as YAML reads it; null when there is none. */
  public Object getConfig(String configName) {
    throw new UnsupportedOperationException("a declaration only");
  }
}
