package org.heronbridge;

import java.util.Locale;
import java.util.Set;
import java.util.SortedSet;

/**
 * What a scheduler demands of the ids of containers.
 *
 * <p>Most start containers 1 to N by number and never look at the ids in the plan. Kubernetes adds and
 * removes pods only at the upper end; Nomad cannot add or remove any while the topology runs; Aurora
 * gives new containers ids of its own and removes by id. YARN and the local scheduler start the ids
 * that the plan names, and so, as far as is known, do others.
 */
enum SchedulerRules {
  FREE(false, false, false),
  NUMBERED_AT_START(true, false, false),
  NUMBERED_ALWAYS(true, true, false),
  NUMBERED_AND_FIXED(true, true, true);

  private final boolean numberedOnPack;
  private final boolean numberedOnRepack;
  private final boolean fixed;

  SchedulerRules(boolean numberedOnPack, boolean numberedOnRepack, boolean fixed) {
    this.numberedOnPack = numberedOnPack;
    this.numberedOnRepack = numberedOnRepack;
    this.fixed = fixed;
  }

  /**
   * The rules of a scheduler.
   *
   * @param schedulerClass value of {@code heron.class.scheduler}
   */
  static SchedulerRules of(String schedulerClass) {
    String name = schedulerClass.toLowerCase(Locale.ROOT);
    if (name.contains("kubernetes")) {
      return NUMBERED_ALWAYS;
    }
    if (name.contains("nomad")) {
      return NUMBERED_AND_FIXED;
    }
    if (name.contains("aurora") || name.contains("marathon") || name.contains("mesos")
        || name.contains("slurm")) {
      return NUMBERED_AT_START;
    }
    return FREE;
  }

  /**
   * The rule that a plan breaks, or null.
   *
   * @param ids containers of the plan
   * @param currentIds containers of the plan that runs; null when none does
   */
  String broken(SortedSet<Integer> ids, Set<Integer> currentIds) {
    if (fixed && currentIds != null && !ids.equals(currentIds)) {
      return "this scheduler cannot change the set of containers of a running topology: it has "
          + currentIds + ", the plan " + ids;
    }
    boolean numbered = currentIds == null ? numberedOnPack : numberedOnRepack;
    if (numbered && (ids.first() != 1 || ids.last() != ids.size())) {
      return "this scheduler numbers containers from 1 without gaps, the plan has " + ids;
    }
    return null;
  }
}
