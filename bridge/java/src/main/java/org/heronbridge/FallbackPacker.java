package org.heronbridge;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import com.twitter.heron.spi.packing.IPacking;
import com.twitter.heron.spi.packing.IRepacking;
import com.twitter.heron.spi.packing.PackingException;
import com.twitter.heron.spi.packing.PackingPlan;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.HashMap;
import java.util.Map;

/** Lets the Heron class that would pack without us make its plan. */
final class FallbackPacker {

  private final String className;
  private final Config config;
  private final TopologyAPI.Topology topology;

  FallbackPacker(String className, Config config, TopologyAPI.Topology topology) {
    this.className = className;
    this.config = config;
    this.topology = topology;
  }

  /**
   * Makes the plan with a new object of the class, used as Heron uses it.
   *
   * @throws PackingException when the class is not there, is not fit for the task, or returns nothing
   * @throws Exception whatever the class throws
   */
  PackingPlan plan(PackingTask task) throws Exception {
    Object packer = newPacker();
    PackingPlan plan = task.isRepack() ? repack(packer, task) : pack(packer);
    if (plan == null) {
      throw new PackingException(className + " returned no plan");
    }
    return plan;
  }

  private Object newPacker() throws Exception {
    Class<?> packerClass;
    try {
      packerClass = Class.forName(className, true, FallbackPacker.class.getClassLoader());
    } catch (ClassNotFoundException e) {
      throw new PackingException("class " + className + " is not on the class path", e);
    }
    if (BridgePacking.class.isAssignableFrom(packerClass)) {
      throw new PackingException(
          className + " cannot be its own fallback: name the class that packed before, or "
              + PluginSettings.NONE);
    }
    return packerClass.getConstructor().newInstance();
  }

  private PackingPlan pack(Object packer) throws Exception {
    if (!(packer instanceof IPacking)) {
      throw new PackingException(className + " does not implement IPacking");
    }
    IPacking packing = (IPacking) packer;
    try {
      packing.initialize(config, topology);
      return packing.pack();
    } finally {
      close(packing);
    }
  }

  private PackingPlan repack(Object packer, PackingTask task) throws Exception {
    if (!(packer instanceof IRepacking)) {
      throw new PackingException(className + " does not implement IRepacking");
    }
    Map<String, Integer> deltas = new HashMap<>(task.deltas());
    IRepacking repacking = (IRepacking) packer;
    try {
      repacking.initialize(config, topology);
      return task.containerCount() == 0
          ? repacking.repack(task.currentPlan(), deltas)
          : repack(repacking, task.currentPlan(), task.containerCount(), deltas);
    } finally {
      close(repacking);
    }
  }

  /** A plan that is made is not lost by a class that cannot be closed; nor is it with Heron. */
  private static void close(AutoCloseable packer) {
    try {
      packer.close();
    } catch (Exception e) {
      DecisionLog.closeFailed(e);
    }
  }

  /** The interface has the method only since Heron 0.19, and not every class supports it. */
  private PackingPlan repack(
      IRepacking repacking, PackingPlan current, int containers, Map<String, Integer> deltas)
      throws Exception {
    String unable = className + " cannot repack with a number of containers";
    Method method;
    try {
      method = repacking.getClass().getMethod("repack", PackingPlan.class, int.class, Map.class);
    } catch (NoSuchMethodException e) {
      throw new PackingException(unable, e);
    }
    try {
      return (PackingPlan) method.invoke(repacking, current, containers, deltas);
    } catch (InvocationTargetException e) {
      Throwable cause = e.getCause();
      if (cause instanceof UnsupportedOperationException) {
        throw new PackingException(unable, cause);
      }
      if (cause instanceof Error) {
        throw (Error) cause;
      }
      throw (Exception) cause;
    }
  }
}
