"""What the scheduler in use allows a plan to be.

Heron starts containers through a scheduler, and each one assumes something about the plan that
nothing in Heron checks. Sources: KubernetesScheduler/StatefulSet.java, AuroraScheduler.java,
NomadScheduler.java, HeronMasterDriver.java (YARN), LocalScheduler.java, UpdateTopologyManager.java.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SchedulerRules:
    """The rules of one scheduler."""

    name: str
    starts_contiguous_ids: bool = False
    """A fresh plan must use ids 1..N: the scheduler starts exactly those."""
    keeps_contiguous_ids: bool = False
    """Also after an update: containers are added and removed at the high end only."""
    homogeneous: bool = False
    """Every container gets the size of the largest one."""
    enforces_sizes: bool = True
    """A container cannot use more than it was started with, and an update does not resize it
    (UpdateTopologyManager: "not supported and will be ignored")."""
    container_set_fixed: bool = False
    """An update may neither add nor remove containers."""
    updates: bool = True
    """The scheduler implements updates at all."""


_RULES = {
    rules.name: rules
    for rules in (
        SchedulerRules(
            "kubernetes", starts_contiguous_ids=True, keeps_contiguous_ids=True, homogeneous=True
        ),
        # Aurora chooses the ids of added containers itself and Heron rewrites the plan to them.
        SchedulerRules("aurora", starts_contiguous_ids=True, homogeneous=True),
        SchedulerRules("yarn"),
        SchedulerRules("local", enforces_sizes=False),
        SchedulerRules(
            "nomad", starts_contiguous_ids=True, homogeneous=True, container_set_fixed=True
        ),
        SchedulerRules("marathon", starts_contiguous_ids=True, homogeneous=True, updates=False),
        SchedulerRules("mesos", starts_contiguous_ids=True, homogeneous=True, updates=False),
        SchedulerRules("slurm", starts_contiguous_ids=True, homogeneous=True, updates=False),
    )
}

UNKNOWN_SCHEDULER = SchedulerRules("unknown", enforces_sizes=False)
"""No scheduler named: nothing is assumed beyond what every Heron needs."""


def rules_for(scheduler_class: str) -> SchedulerRules:
    """Rules of a scheduler by its class name (`heron.class.scheduler`).

    `org.apache.heron.scheduler.kubernetes.KubernetesScheduler` and the plain word `kubernetes`
    are the same. A class that is not known gets `UNKNOWN_SCHEDULER`.
    """
    simple_name = scheduler_class.rsplit(".", 1)[-1].lower()
    return _RULES.get(simple_name.removesuffix("scheduler"), UNKNOWN_SCHEDULER)
