package org.heronbridge;

/** Makes one printable line of what went wrong. */
public final class Sentences {

  private static final int LONGEST = 600;

  private Sentences() {
  }

  /**
   * What a throwable says, in one line: its message, with its class where the message alone does not
   * tell (no message, or an {@link Error}).
   */
  public static String of(Throwable t) {
    String message = t.getMessage();
    if (message == null || message.trim().isEmpty()) {
      return t.getClass().getName();
    }
    return t instanceof Error ? t.getClass().getSimpleName() + ": " + line(message) : line(message);
  }

  /** The text without line breaks and other control characters. */
  public static String withoutBreaks(String text) {
    return text.replaceAll("\\p{Cntrl}+", " ").trim();
  }

  /** The text without line breaks and other control characters, shortened. */
  public static String line(String text) {
    String line = withoutBreaks(text);
    return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + "...";
  }
}
