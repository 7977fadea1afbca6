"""Which numbers of containers are tried for a parallelism, the fewest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from packing.advice.rate_goal import RateGoal
from packing.arrays import Floats
from packing.bounds.containers import fewest_by_resource, relative_sizes
from packing.constraints import DEFAULT_MAX_INSTANCES
from packing.container_size import check_instances_fit
from packing.errors import InvalidRequest
from packing.planners.placement import resource_row
from packing.request import Request

MORE_CONTAINERS = 1.25
"""Factor between the numbers of containers that are tried, beyond the first few."""
ONE_BY_ONE = 4
"""Containers more than the fewest that are tried one by one."""


def container_counts(
    request: Request, goal: RateGoal, parallelism: Mapping[str, int]
) -> Iterator[int | None]:
    """Numbers of containers for `parallelism`; None leaves that of an update to the planner.

    Raises InvalidRequest where more containers were asked for than there are instances.
    """
    instances = sum(parallelism.values())
    if goal.container_count is not None:
        if goal.container_count > instances:
            raise InvalidRequest(
                f"{goal.container_count} containers were asked for, and {instances} instances "
                f"carry the rate; ask for {instances} containers at most"
            )
        yield goal.container_count
        return
    fewest = fewest_containers(request, parallelism)
    if request.current is not None:
        fixed = request.scheduler.container_set_fixed
        running = request.current.container_count
        if instances < request.current.instance_count and not fixed:
            yield from range(fewest, min(running, fewest + ONE_BY_ONE))
        yield None
        if fixed:
            return
        fewest = max(fewest, running + 1)
    for step in range(ONE_BY_ONE):
        if fewest + step <= instances:
            yield fewest + step
    count = fewest + ONE_BY_ONE
    while count < instances:
        yield count
        count = max(count + 1, math.ceil(count * MORE_CONTAINERS))
    if fewest + ONE_BY_ONE <= instances:
        yield instances


def fewest_containers(request: Request, parallelism: Mapping[str, int]) -> int:
    """By the stated size of a container; without one no container gets more instances than in
    the topology as it was submitted, or than Heron plans for (AbstractPacking: 10)."""
    constraints = request.constraints
    supply = np.array([parallelism[name] for name in request.topology.names])
    needs: Floats = np.array(
        [resource_row(constraints.instance(name)) for name in request.topology.names]
    )
    stated = [math.inf if s is None else float(s) for s in constraints.stated_container]
    usable = np.array(stated) - resource_row(constraints.padding)
    most: float = math.inf if constraints.max_instances is None else constraints.max_instances
    if constraints.stated_container[:2] == (None, None) and constraints.max_instances is None:
        submitted = request.topology.instance_count / constraints.container_count
        most = max(DEFAULT_MAX_INSTANCES, math.ceil(submitted))
    found = float(fewest_by_resource(supply, relative_sizes(needs, usable, most)).max())
    if math.isinf(found):
        check_instances_fit(constraints, request.topology.names)
        return 1
    return max(1, min(int(found), int(supply.sum())))
