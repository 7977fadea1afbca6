package org.heronbridge.integration;

import java.io.Serializable;
import java.util.Arrays;
import java.util.List;

/**
 * A stream that a component emits: how many tuples per tuple of its own, and with which keys.
 *
 * <p>Keys are spread evenly in time rather than drawn, so that a few seconds show the shares of a
 * long time: nothing else here waits for rare events.
 */
final class Output implements Serializable {
  private static final long serialVersionUID = 1L;
  /** Without a histogram keys are all the words of three letters, one after the other. */
  private static final int LETTERS = 26;

  private static final int WORDS = LETTERS * LETTERS * LETTERS;
  /** Multiples of it, modulo 1, are as even as can be however many are taken. */
  private static final double GOLDEN = (Math.sqrt(5) - 1) / 2;

  final String stream;
  private final double selectivity;
  private final String[] keys;
  /** Sums of the shares of keys, in their order. */
  private final double[] cumulated;

  private double credit;
  private int next;
  private double point;

  Output(String stream, double selectivity, List<String> keys, List<Double> weights) {
    this.stream = stream;
    this.selectivity = selectivity;
    this.keys = keys.toArray(new String[0]);
    this.cumulated = weights.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.parallelPrefix(cumulated, Double::sum);
    double total = cumulated.length == 0 ? 1 : cumulated[cumulated.length - 1];
    for (int i = 0; i < cumulated.length; i++) {
      cumulated[i] /= total;
    }
  }

  /** Instances start at different keys. */
  void start(int task) {
    next = (int) (task * GOLDEN % 1 * WORDS);
    point = task * Math.sqrt(2) % 1;
  }

  /** Tuples to emit for one more tuple: after n tuples it has been n times the selectivity. */
  int count() {
    credit += selectivity;
    int whole = (int) Math.floor(credit + 1e-9);
    credit -= whole;
    return whole;
  }

  String key() {
    if (keys.length == 0) {
      next = (next + 1) % WORDS;
      char[] letters = {
        letter(next / (LETTERS * LETTERS)), letter(next / LETTERS), letter(next)
      };
      return new String(letters);
    }
    point = (point + GOLDEN) % 1;
    int at = Arrays.binarySearch(cumulated, point);
    return keys[Math.min(at < 0 ? -at - 1 : at, keys.length - 1)];
  }

  private static char letter(int position) {
    return (char) ('a' + position % LETTERS);
  }
}
