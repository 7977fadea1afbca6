"""Heron's ResourceCompliantRRPacking, re-implemented for comparison offline.

Source: heron/packing/src/java/org/apache/heron/packing/roundrobin/ResourceCompliantRRPacking.java
and builder/PackingPlanBuilder.java. Where Heron's has a defect, this one differs:

- an update that changes nothing returns the same plan, where Heron throws NullPointerException;
- an update may state a container count, which Heron's refuses;
- all added containers are there from the start, where Heron's loop adds half of those missing at
  each call;
- the additional containers of an update are counted by the components' own CPU and disk, where
  Heron counts defaults;
- an update may use up to as many containers as instances it leads to, where Heron allows as many
  as the topology was submitted with;
- of equal instances in one container the one with the highest index is stopped, where Heron takes
  any.
"""

from __future__ import annotations

import heapq
import math

import numpy as np

from packing.arrays import Ints
from packing.errors import Infeasible
from packing.plan import Plan
from packing.planners.container_count import reach_count
from packing.planners.java_order import hash_map_order
from packing.planners.placement import Placement
from packing.request import Request
from packing.resources import Resources


def resource_compliant_rr(request: Request) -> Plan:
    """Deal instances in turn; when one does not fit, start over with one container more.

    At an update survivors stay where they are. Raises Infeasible when even one instance per
    container would not fit.
    """
    if request.current is None:
        return _pack(request)
    if request.changes_nothing:
        return request.current
    return _repack(request)


def _pack(request: Request) -> Plan:
    constraints = request.constraints
    parallelism = request.parallelism
    names = request.topology.names
    position = request.topology.position
    dealt = [position[name] for name in hash_map_order(names)]
    component = np.repeat(dealt, [parallelism[names[i]] for i in dealt])
    total = len(component)

    placement = Placement(request, constraints.capacity, constraints.padding)
    sizes = placement.needs[component]
    usable = np.array(_usable(constraints.capacity, constraints.padding))
    # Fewer containers than the sums need cannot fit: starting there skips restarts only.
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.nan_to_num(
            sizes.sum(axis=0) / usable, nan=0.0, posinf=total + 1, neginf=total + 1
        )
    too_large = np.any(sizes > usable, axis=1)
    if bool(np.any(too_large)):
        name = names[component[int(np.argmax(too_large))]]
        raise Infeasible(
            f"an instance of {name!r} does not fit into an empty container: usable are "
            f"{usable[0]:g} cores, {usable[1]:.0f} bytes of RAM and {usable[2]:.0f} bytes of disk"
        )
    count = max(min(constraints.container_count, total), math.ceil(float(least.max()) - 1e-9), 1)
    while count <= total:
        container = np.arange(total) % count
        fits = all(bool(np.all(np.bincount(container, sizes[:, r]) <= usable[r])) for r in range(3))
        if fits:
            placement.open(count)
            placement.add_many(component, container)
            return placement.build()
        count += 1
    raise AssertionError("every instance fits a container of its own")


def _usable(capacity: Resources, padding: Resources) -> tuple[float, float, float]:
    left = capacity - padding
    return left.cpu_cores + 1e-9, float(left.ram_bytes), float(left.disk_bytes)


def _repack(request: Request) -> Plan:
    current = request.current
    assert current is not None
    down = {n: d for n, d in request.deltas.items() if d < 0}
    up = {n: d for n, d in request.deltas.items() if d > 0}
    total = sum(request.parallelism.values())
    wanted = request.container_count
    additional = (
        _additional_containers(request)
        if wanted is None
        else max(0, wanted - len(current.container_ids))
    )
    while True:
        placement = Placement(request, request.constraints.capacity, request.constraints.padding)
        placement.open(additional)
        for name in hash_map_order(down):
            remove_by_homogeneity(placement, request.topology.position[name], -down[name])
        start = 0
        for name in hash_map_order(up):
            component = request.topology.position[name]
            placed, start = _deal_where_it_fits(placement.room(component), up[name], start)
            if len(placed) < up[name]:
                break
            placement.add_many(np.full(len(placed), component), placed)
        else:
            if wanted is not None:
                reach_count(placement, wanted)
            return placement.build()
        additional += 1
        if wanted is not None or len(current.container_ids) + additional > total:
            raise Infeasible(
                f"{up[name]} more instances of {name!r} do not fit into "
                f"{len(current.container_ids) + additional - 1} containers"
            )


def _additional_containers(request: Request) -> int:
    """Containers' worth of resources that the update adds (computeNumAdditionalContainers)."""
    current, constraints = request.current, request.constraints
    assert current is not None
    extra = np.zeros(3)
    for name, delta in request.deltas.items():
        need = constraints.instance(name)
        extra += delta * np.array([need.cpu_cores, need.ram_bytes, need.disk_bytes])
    largest = current.granted.max(axis=0).tolist()
    return max(
        (
            math.ceil(e / size)
            for e, size in zip(extra.tolist(), largest, strict=True)
            if size > 0 and e > 0
        ),
        default=0,
    )


def _deal_where_it_fits(room: Ints, count: int, start: int) -> tuple[Ints, int]:
    """Positions of up to `count` instances dealt in turn from `start`, skipping full containers.

    Returns the positions in order and where the next component starts. The same as asking every
    container in turn for every instance (flexibleRRpolicy), one round at a time.
    """
    room = room.copy()
    rounds: list[Ints] = []
    left = count
    while left:
        turn = np.flatnonzero(room > 0)
        if not len(turn):
            break
        turn = np.r_[turn[turn >= start], turn[turn < start]][:left]
        room[turn] -= 1
        rounds.append(turn)
        left -= len(turn)
        start = (int(turn[-1]) + 1) % len(room)
    return (np.concatenate(rounds) if rounds else np.zeros(0, dtype=np.int64)), start


def remove_by_homogeneity(placement: Placement, component: int, count: int) -> None:
    """Stop `count` instances where Heron's scorers would.

    Containers with nothing else first, then those with fewest instances, then the most homogeneous,
    then the highest id (HomogeneityScorer, InstanceCountScorer, ContainerIdScorer).
    """

    def rank(position: int) -> tuple[bool, int, int, int]:
        mine = int(placement.counts[component, position])
        held = int(held_by[position])
        # Heron compares scores cut to thousandths.
        return (mine != held, held, -int(1000 * (mine / held)), -placement.ids[position])

    held_by = placement.instances_held
    heap = [
        (rank(position), position)
        for position in np.flatnonzero(placement.counts[component]).tolist()
    ]
    heapq.heapify(heap)
    for _ in range(count):
        _, position = heapq.heappop(heap)
        placement.remove(component, position)
        held_by[position] -= 1
        if placement.counts[component, position]:
            heapq.heappush(heap, (rank(position), position))
