package com.twitter.heron.healthmgr.common;

import com.microsoft.dhalion.core.Action;
import java.time.Instant;
import java.util.Collection;

/** What parts of the health manager tell each other. */
public class HealthManagerEvents {

  /** The topology has another plan. */
  public static class TopologyUpdate extends Action {

    /** An update that changed these components. */
    public TopologyUpdate(Instant timestamp, Collection<String> assignments) {
      super(TopologyUpdate.class.getSimpleName(), timestamp, assignments, null);
    }
  }

  /** Containers were restarted. */
  public static class ContainerRestart extends Action {

    /** A restart of these containers. */
    public ContainerRestart(Instant timestamp, Collection<String> assignments) {
      super(ContainerRestart.class.getSimpleName(), timestamp, assignments, null);
    }
  }
}
