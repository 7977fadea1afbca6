package org.heronbridge;

/** The bridge gave no plan that can be used. The message is one sentence without the address. */
final class BridgeFailure extends Exception {

  private static final long serialVersionUID = 1L;

  private final String advice;

  /**
   * A failure.
   *
   * @param message what the bridge did, to be read after "the bridge at X"
   * @param advice what the operator can do about it
   */
  BridgeFailure(String message, String advice, Throwable cause) {
    super(message, cause);
    this.advice = advice;
  }

  String advice() {
    return advice;
  }
}
