"""Heron's FirstFitDecreasingPacking, re-implemented for comparison offline.

Source: heron/packing/src/java/org/apache/heron/packing/binpacking/FirstFitDecreasingPacking.java
and builder/PackingPlanBuilder.java. Where Heron's has a defect, this one differs:

- an update that changes nothing returns the same plan, where Heron throws NullPointerException;
- an update may state a container count, which Heron's refuses;
- a container added to a plan with gaps in its ids gets the id after the highest, where Heron opens
  one container and then tries to fill another, existing one;
- of equal instances in one container the one with the highest index is stopped, where Heron takes
  any.

Identical instances are placed together, container by container, which gives the same plan as one
at a time and is linear where Heron's is quadratic.
"""

from __future__ import annotations

import numpy as np

from packing.constraints import DEFAULT_MAX_INSTANCES
from packing.errors import Infeasible
from packing.plan import Plan
from packing.planners.container_count import reach_count
from packing.planners.java_order import hash_map_order
from packing.planners.placement import Placement
from packing.planners.resource_compliant_rr import remove_by_homogeneity
from packing.request import Request

MIN_INSTANCE_CORES = 0.1


def first_fit_decreasing(request: Request) -> Plan:
    """Put the largest instances first into the first container that can take them.

    Ignores the stated container count at a pack, as Heron's does. Raises Infeasible for an
    instance that fits no empty container.
    """
    if request.changes_nothing:
        assert request.current is not None
        return request.current
    constraints = request.constraints
    placement = Placement(
        request,
        constraints.capacity,
        constraints.padding,
        DEFAULT_MAX_INSTANCES if constraints.max_instances is None else constraints.max_instances,
    )
    changes = dict(request.parallelism) if request.current is None else dict(request.deltas)
    for name in _decreasing(request, [n for n, d in changes.items() if d < 0]):
        remove_by_homogeneity(placement, request.topology.position[name], -changes[name])
    if request.container_count is not None:
        placement.open(max(0, request.container_count - len(placement.ids)))
    for name in _decreasing(request, [n for n, d in changes.items() if d > 0]):
        _first_fit(placement, name, changes[name])
    if request.container_count is not None:
        reach_count(placement, request.container_count)
    return placement.build()


def _decreasing(request: Request, names: list[str]) -> list[str]:
    """Components by RAM then CPU, or CPU then RAM, largest first (SortingStrategy)."""
    constraints = request.constraints

    def size(name: str) -> tuple[float, float]:
        need = constraints.instance(name)
        if constraints.sort_by_cpu:
            return (-need.cpu_cores, -need.ram_bytes)
        return (-need.ram_bytes, -need.cpu_cores)

    return sorted(hash_map_order(names), key=size)


def _first_fit(placement: Placement, name: str, count: int) -> None:
    request = placement.request
    component = request.topology.position[name]
    cores = request.constraints.instance(name).cpu_cores
    if cores < MIN_INSTANCE_CORES:
        raise Infeasible(
            f"component {name!r} asks for {cores:g} cores; first fit decreasing takes no instance "
            f"below {MIN_INSTANCE_CORES}"
        )
    # First fit fills container after container: each takes what it can of those left.
    room = placement.room(component)
    taken = np.diff(np.minimum(np.cumsum(np.r_[0, room]), count))
    positions = np.repeat(np.arange(len(room)), taken)
    left = count - len(positions)
    if left:
        each = _room_when_new(placement, component)
        first = len(placement.ids)
        placement.open(-(-left // each))
        positions = np.concatenate([positions, first + np.arange(left) // each])
    placement.add_many(np.full(count, component), positions)


def _room_when_new(placement: Placement, component: int) -> int:
    """Instances of one component that fill an empty container."""
    room = placement.room_when_new(component)
    if room < 1:
        request = placement.request
        name = request.topology.names[component]
        need, capacity = request.constraints.instance(name), request.constraints.capacity
        raise Infeasible(
            f"an instance of {name!r} asks for {need.cpu_cores:g} cores, {need.ram_bytes} bytes "
            f"of RAM and {need.disk_bytes} bytes of disk, more than an empty container of "
            f"{capacity.cpu_cores:g} cores, {capacity.ram_bytes} and {capacity.disk_bytes} bytes "
            "leaves beside its padding"
        )
    return room
