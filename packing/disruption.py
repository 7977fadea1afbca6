"""What an update costs: which instances survive, move, start and stop.

An executor keeps a process whose container, component, task id and component index are unchanged
and restarts everything else (heron_executor.py names processes by all four).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Ints
from packing.plan import Plan

GAIN_WORTH_A_RESTART = 1.05
"""A plan that restarts survivors must sustain this much more than one that does not."""


@dataclass(frozen=True)
class Disruption:
    """Counts of instances and containers that change between two plans."""

    survivors: int
    """Instances (component and index) that are in both plans."""
    moved_instances: int
    """Survivors in another container."""
    restarted_instances: int
    """Survivors whose container or task id changed; never fewer than those moved."""
    started_instances: int
    stopped_instances: int
    containers_added: int
    containers_removed: int


def survivors(plan: Plan, current: Plan) -> tuple[Ints, Ints]:
    """Positions in `plan` and in `current` of the instances that both have.

    An instance is identified by component and component index, in canonical component order.
    """
    if plan.components != current.components:
        raise ValueError("plans of one topology must list the components in the same order")
    width = int(max(plan.index.max(initial=0), current.index.max(initial=0))) + 1
    _, here, there = np.intersect1d(
        plan.component * width + plan.index,
        current.component * width + current.index,
        assume_unique=True,
        return_indices=True,
    )
    return here, there


def disruption(plan: Plan, current: Plan) -> Disruption:
    """What it takes to get from `current` to `plan`."""
    here, there = survivors(plan, current)
    moved = (
        plan.container_ids[plan.container[here]] != current.container_ids[current.container[there]]
    )
    renumbered = plan.task_id[here] != current.task_id[there]
    return Disruption(
        survivors=len(here),
        moved_instances=int(np.count_nonzero(moved)),
        restarted_instances=int(np.count_nonzero(moved | renumbered)),
        started_instances=plan.instance_count - len(here),
        stopped_instances=current.instance_count - len(here),
        containers_added=len(np.setdiff1d(plan.container_ids, current.container_ids)),
        containers_removed=len(np.setdiff1d(current.container_ids, plan.container_ids)),
    )
