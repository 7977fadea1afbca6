"""Which plans a bound speaks about: so many containers, none larger than these."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats
from packing.plan import Plan
from packing.planners.usable_size import hard_limit
from packing.request import Request

CORES_TOLERANCE = 0.5
"""Containers may be that much larger than stated: Heron's builder rounds cores to whole ones."""


@dataclass(frozen=True, eq=False)
class PlanLimits:
    """Plans with exactly `containers` containers of at most this size."""

    containers: int
    usable: Floats
    """Cores, RAM and disk bytes that instances take in one container at most, shape (3,)."""
    max_instances: float
    """Instances in one container."""
    container_cores: float
    """Cores of the largest container."""
    total_cores: float
    """Cores of all containers together."""


def requested_limits(request: Request) -> PlanLimits:
    """Limits of all plans that keep every rule of `request` and have the stated containers.

    Where the number is open: the suggested one at a pack, the running one at an update. Sizes that
    are not stated are infinite. A running container may be larger than stated.
    """
    current, constraints = request.current, request.constraints
    wanted = request.stated_container_count
    if wanted is None:
        wanted = constraints.container_count if current is None else current.container_count
    containers = max(1, min(wanted, sum(request.parallelism.values())))
    usable = hard_limit(request)
    most = math.inf if constraints.max_instances is None else float(constraints.max_instances)
    cores = constraints.container_cpu_cores
    largest = math.inf if cores is None else cores + CORES_TOLERANCE
    if current is not None:
        held = np.bincount(current.container, minlength=current.container_count)
        usable = np.maximum(usable, np.maximum(_fullest(current), current.granted.max(axis=0)))
        most = max(most, float(held.max()))
        largest = max(largest, float(current.granted[:, 0].max()))
    return PlanLimits(containers, usable, most, largest, containers * largest)


def plan_limits(request: Request, plan: Plan) -> PlanLimits:
    """Limits of the plans that take no more than `plan`: as many containers, none larger.

    A container counts as large as the topology states; where it states nothing, or `plan` exceeds
    it, as the fullest one of `plan`.
    """
    stated = hard_limit(request)
    fullest = _fullest(plan)
    usable = np.where(np.isfinite(stated), np.maximum(stated, fullest), fullest)
    most = request.constraints.max_instances
    held = np.bincount(plan.container, minlength=plan.container_count)
    cores = plan.granted[:, 0]
    largest = float(cores.max())
    total = largest * len(cores) if request.scheduler.homogeneous else float(cores.sum())
    return PlanLimits(
        containers=plan.container_count,
        usable=usable,
        max_instances=math.inf if most is None else float(max(most, int(held.max()))),
        container_cores=largest,
        total_cores=total,
    )


def _fullest(plan: Plan) -> Floats:
    """The most that instances take in any container; (3,), with room for rounding."""
    used = np.stack([column.astype(np.float64) for column in plan.used], axis=1)
    return np.asarray(used.max(axis=0) + np.array([1e-9, 0.0, 0.0]), dtype=np.float64)
