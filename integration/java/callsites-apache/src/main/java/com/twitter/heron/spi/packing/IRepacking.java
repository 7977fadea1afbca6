package com.twitter.heron.spi.packing;

import com.twitter.heron.api.generated.TopologyAPI;
import com.twitter.heron.spi.common.Config;
import java.util.Map;

/**
 * The interface as a packing class for {@code org.apache.heron} finds it: since that name it has
 * the method that also takes a number of containers. Renamed with the rest when the jar is built.
 */
public interface IRepacking extends AutoCloseable {
  void initialize(Config config, TopologyAPI.Topology topology);

  PackingPlan repack(PackingPlan currentPackingPlan, Map<String, Integer> componentChanges)
      throws PackingException;

  PackingPlan repack(
      PackingPlan currentPackingPlan, int containers, Map<String, Integer> componentChanges)
      throws PackingException, UnsupportedOperationException;

  @Override
  void close();
}
