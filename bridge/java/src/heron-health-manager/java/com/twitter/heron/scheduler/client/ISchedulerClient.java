package com.twitter.heron.scheduler.client;

import com.twitter.heron.proto.scheduler.Scheduler;

/** Asks the scheduler of a topology to act. */
public interface ISchedulerClient {

  /** Restarts a container; whether it did. */
  boolean restartTopology(Scheduler.RestartTopologyRequest restartTopologyRequest);

  /** Ends the topology; whether it did. */
  boolean killTopology(Scheduler.KillTopologyRequest killTopologyRequest);

  /** Deploys another plan; whether it did. */
  boolean updateTopology(Scheduler.UpdateTopologyRequest updateTopologyRequest);
}
