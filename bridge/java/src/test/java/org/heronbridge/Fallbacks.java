package org.heronbridge;

import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import java.util.Map;
import org.heronbridge.driver.DealingPacking;

/** Heron classes that misbehave. */
public final class Fallbacks {

  private Fallbacks() {
  }

  /** Says no as Heron's own packers do. */
  public static class Refusing extends DealingPacking {
    @Override
    public PackingPlan pack() {
      throw new PackingException("not enough RAM");
    }

    @Override
    public PackingPlan repack(PackingPlan current, Map<String, Integer> deltas) {
      throw new PackingException("not enough RAM");
    }
  }

  /** Cannot repack with a number of containers, as ResourceCompliantRRPacking. */
  public static class TwoArguments extends DealingPacking {
    @Override
    public PackingPlan repack(PackingPlan current, int containers, Map<String, Integer> deltas) {
      throw new UnsupportedOperationException("not by number");
    }
  }

  /** Throws an Error. */
  public static class Broken extends DealingPacking {
    @Override
    public PackingPlan pack() {
      throw new NoClassDefFoundError("org/example/Missing");
    }
  }

  /** Recurses until the stack is full. */
  public static class Deep extends DealingPacking {
    @Override
    public PackingPlan pack() {
      return pack();
    }
  }

  /** Returns nothing. */
  public static class Empty extends DealingPacking {
    @Override
    public PackingPlan pack() {
      return null;
    }
  }

  /** Never returns, and does not listen to interrupts. */
  public static class Hanging extends DealingPacking {
    @Override
    public PackingPlan pack() {
      while (true) {
        try {
          Thread.sleep(1000);
        } catch (InterruptedException e) {
          // goes on
        }
      }
    }
  }

  /** Needs longer than half of the time that the tests give, and less than all of it. */
  public static class Slow extends DealingPacking {
    @Override
    public PackingPlan pack() {
      try {
        Thread.sleep(2500);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return super.pack();
    }
  }

  /** Is no packing class at all. */
  public static class Unrelated {
  }
}
