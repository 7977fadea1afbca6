package org.heronbridge.health;

/**
 * Tells when a load that is carried has risen so much that the bridge is asked whether the headroom is
 * still there, before anything holds the spouts back.
 */
final class RisingLoad {

  /** Times the last rate asked about: a load that swings a little is asked about a few times only. */
  private static final double RISEN = 1.05;

  private double askedPerS;

  /** Whether a rate that is carried is worth a question; the first one is not. */
  boolean hasRisen(double ratePerS) {
    if (askedPerS == 0) {
      askedPerS = ratePerS;
    }
    return ratePerS > RISEN * askedPerS;
  }

  /** Takes note of a rate that was asked about. */
  void asked(double ratePerS) {
    askedPerS = ratePerS;
  }

  /** Begins anew, with another plan. */
  void forget() {
    askedPerS = 0;
  }
}
