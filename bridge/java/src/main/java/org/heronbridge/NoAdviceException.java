package org.heronbridge;

/** The bridge gave no advice that can be used. The message is a sentence for a log. */
public final class NoAdviceException extends Exception {

  private static final long serialVersionUID = 1L;

  /** The reason in a sentence. */
  public NoAdviceException(String message, Throwable cause) {
    super(message, cause);
  }
}
