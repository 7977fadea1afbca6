package org.heronbridge;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.DoublePredicate;
import java.util.function.Function;

/**
 * Reads settings of any type that YAML, {@code --config-property} or the API server gives them. A value
 * that makes no sense is described in {@link #problems()} and taken for one that is not stated.
 */
public final class SettingReader {

  private final Function<String, Object> values;
  private final String prefix;
  private final List<String> problems = new ArrayList<>();

  /**
   * A reader.
   *
   * @param values value of a key; null: not stated
   * @param prefix of all keys that are read
   */
  public SettingReader(Function<String, Object> values, String prefix) {
    this.values = values;
    this.prefix = prefix;
  }

  /** The value as text; empty when it is not stated. */
  public String text(String key) {
    Object value = values.apply(prefix + key);
    return value == null ? "" : value.toString().trim();
  }

  /**
   * A number.
   *
   * @param makesSense of the numbers that may be stated; never asked about NaN
   * @param otherwise what is said of others, to be read after a colon
   */
  public OptionalDouble number(String key, DoublePredicate makesSense, String otherwise) {
    String text = text(key);
    if (text.isEmpty()) {
      return OptionalDouble.empty();
    }
    try {
      double value = Double.parseDouble(text);
      if (!Double.isNaN(value) && makesSense.test(value)) {
        return OptionalDouble.of(value);
      }
    } catch (NumberFormatException e) {
      // the sentence below
    }
    problem(key, otherwise);
    return OptionalDouble.empty();
  }

  /**
   * A time in whole milliseconds, within limits.
   *
   * @param otherwise what else may be stated, in words; may be empty
   */
  public OptionalLong milliseconds(String key, long least, long most, String otherwise) {
    String text = text(key);
    if (text.isEmpty()) {
      return OptionalLong.empty();
    }
    try {
      long value = new BigDecimal(text).longValueExact();
      if (value >= least && value <= most) {
        return OptionalLong.of(value);
      }
    } catch (NumberFormatException e) {
      // no number: the sentence below
    } catch (ArithmeticException e) {
      // a fraction, or beyond any time: the sentence below
    }
    problem(key,
        "it must be a whole number of milliseconds from " + least + " to " + most + otherwise);
    return OptionalLong.empty();
  }

  /** The value of a key makes no sense. */
  public void problem(String key, String why) {
    String text = text(key);
    problems.add(
        prefix + key + " is " + (text.isEmpty() ? "not set" : "'" + text + "'") + ": " + why);
  }

  /** Sentences on values that cannot be used; each names the key and the value. */
  public List<String> problems() {
    return Collections.unmodifiableList(problems);
  }
}
