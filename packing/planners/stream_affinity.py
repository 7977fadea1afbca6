"""A planner that uses the streams: instances that talk share a container.

Components are classes of identical instances, so a container is a recipe (how many of each
component) and a plan is a few recipes, each used many times. That keeps the work independent of
parallelism. No container is loaded more than a tenth above round robin's fullest where that can be
avoided, because a full container's CPU quota costs more throughput than local tuples save.
"""

from __future__ import annotations

import math

import numpy as np

from packing.affinity import instance_load, pair_traffic
from packing.arrays import Bools, Floats, Ints
from packing.errors import Infeasible
from packing.flows import flows
from packing.plan import Plan
from packing.planners.container_count import fill_empty, reach_count
from packing.planners.placement import Placement
from packing.planners.recipes import ContainerLimits, fill_by_recipes
from packing.planners.round_robin import deal
from packing.planners.usable_size import hard_limit, usable, usable_when_running
from packing.request import Request

LOAD_CAP_OVER_ROUND_ROBIN = 1.10
MAX_RECIPE_INSTANCES = 200
"""Instances per container beyond which recipes take longer than they are worth."""
KEPT_RECIPES = (1.0, 0.95, 0.85, 0.7, 0.5, 0.25)
"""Shares of the containers that keep their recipe, tried until the rest finds room."""
COUNT_CAP_OVER_MEAN = 1.25


def stream_affinity(request: Request) -> Plan:
    """Pack by recipes; at an update survivors stay and only what changes is placed.

    Raises Infeasible when the instances do not fit the stated containers.
    """
    if request.current is None:
        return _pack(request)
    if request.changes_nothing:
        return request.current
    return _repack(request)


def _pack(request: Request) -> Plan:
    topology, constraints = request.topology, request.constraints
    count = min(constraints.container_count, topology.instance_count)
    traffic = pair_traffic(topology, flows(topology, request.profile))
    needs = Placement(request, None, constraints.padding).needs
    load = instance_load(topology, request.profile, needs[:, 0])
    supply = np.array([c.parallelism for c in topology.components], dtype=np.int64)

    component, _, container = deal(request, count)
    dealt = np.zeros((len(supply), count), dtype=np.int64)
    np.add.at(dealt, (component, container), 1)
    stated = constraints.max_instances
    limits = ContainerLimits(
        needs=needs,
        usable=usable(request, (dealt.T @ needs).max(axis=0), needs),
        load=load,
        max_load=float((load @ dealt).max()) * LOAD_CAP_OVER_ROUND_ROBIN + 1e-9,
        max_instances=(
            math.ceil(COUNT_CAP_OVER_MEAN * topology.instance_count / count)
            if stated is None
            else stated
        ),
    )
    if topology.instance_count > MAX_RECIPE_INSTANCES * count and _within(dealt, limits):
        # With that many in each container there is little left to choose.
        return _from_counts(request, dealt).build()
    filled = fill_by_recipes(traffic, supply, limits, count)
    best = _completed(request, filled, supply, limits, traffic)
    if _within(dealt, limits) and (
        best is None or _kept(traffic, dealt) > _kept(traffic, best.counts) * (1 + 1e-9)
    ):
        best = _from_counts(request, dealt)
    if best is None:
        raise _no_place(request, supply, limits, count)
    return best.build()


def _completed(
    request: Request, filled: Ints, supply: Ints, limits: ContainerLimits, traffic: Floats
) -> Placement | None:
    """Place what the recipes left over; None when it finds no room.

    Recipes can leave gaps of the wrong shape for large instances: then fewer containers keep their
    recipe, and the others are filled largest instance first. Without any recipe left, containers
    whose size the user did not state may grow.
    """
    containers = filled.shape[1]
    for keep in (*KEPT_RECIPES, 0.0):
        start = filled.copy()
        start[:, math.ceil(containers * keep) :] = 0
        placement = _from_counts(request, start)
        placement.usable[:] = limits.usable
        left = supply - start.sum(axis=1)
        if _place(placement, traffic, limits.load, left, limits.max_instances):
            return placement
    placement = _from_counts(request, np.zeros_like(filled))
    placement.usable[:] = hard_limit(request)
    stated = request.constraints.max_instances
    most = math.inf if stated is None else stated
    evenly = np.zeros_like(traffic)
    if _place(placement, evenly, limits.load, supply.copy(), most):
        return placement
    return None


def _from_counts(request: Request, counts: Ints) -> Placement:
    """A placement with these counts per component and container, components with most RAM first."""
    placement = Placement(request, None, request.constraints.padding)
    placement.open(counts.shape[1])
    for component in np.argsort(-placement.needs[:, 1], kind="stable").tolist():
        positions = np.repeat(np.arange(counts.shape[1]), counts[component])
        placement.add_many(np.full(len(positions), component), positions)
    return placement


def _within(counts: Ints, limits: ContainerLimits) -> bool:
    return bool(
        np.all(counts.T @ limits.needs <= limits.usable)
        and np.all(counts.sum(axis=0) <= limits.max_instances)
    )


def _kept(traffic: Floats, counts: Ints) -> float:
    """Tuples/s that stay inside containers."""
    return float(np.einsum("uc,uv,vc->", counts, traffic, counts)) / 2


def _no_place(
    request: Request, supply: Ints, limits: ContainerLimits, containers: int
) -> Infeasible:
    need, room = limits.needs.T @ supply, hard_limit(request)
    return Infeasible(
        f"{supply.sum()} instances that ask for {need[0]:g} cores, {need[1]:.0f} bytes of RAM and "
        f"{need[2]:.0f} bytes of disk find no place in {containers} containers with "
        f"{room[0]:g} cores, {room[1]:.0f} and {room[2]:.0f} bytes each beside the padding; "
        "raise topology.stmgrs or the container's size"
    )


def _repack(request: Request) -> Plan:
    current, constraints = request.current, request.constraints
    assert current is not None
    target = request.target
    traffic = pair_traffic(target, flows(target, request.profile))
    placement = Placement(request, None, constraints.padding, constraints.max_instances)
    placement.keep_sizes = True
    load = instance_load(target, request.profile, placement.needs[:, 0])
    placement.usable, largest = usable_when_running(request, placement.needs)
    for component, name in enumerate(request.topology.names):
        for _ in range(-request.deltas.get(name, 0)):
            _remove_least_attached(placement, traffic, load, component)

    growth = np.array([max(0, request.deltas.get(n, 0)) for n in request.topology.names])
    fixed = request.container_count is not None or request.scheduler.container_set_fixed
    if request.container_count is not None:
        extra = max(0, request.container_count - current.container_count)
        placement.open(extra)
        placement.usable[len(placement.ids) - extra :] = largest
    _grow(placement, traffic, load, growth, None if fixed else largest)
    if request.container_count is not None:
        placement.usable = np.maximum(placement.usable, hard_limit(request))
        reach_count(placement, request.container_count)
    elif request.scheduler.container_set_fixed:
        fill_empty(placement)
    elif request.scheduler.keeps_contiguous_ids:
        # Empty containers at the high end can be removed, others cannot.
        fill_empty(placement, int(np.flatnonzero(placement.instances_held)[-1]))
    return placement.build()


def _grow(
    placement: Placement, traffic: Floats, load: Floats, amounts: Ints, added: Floats | None
) -> None:
    """Place `amounts`, opening containers with `added` for instances; None to open none.

    Rather than refuse, containers that cannot be added to are taken as large as the user stated.
    """
    stated = placement.request.constraints.max_instances
    most = math.inf if stated is None else stated
    opened = False
    while not _place(placement, traffic, load, amounts, most):
        if added is None:
            placement.usable = np.maximum(placement.usable, hard_limit(placement.request))
            if _place(placement, traffic, load, amounts, most):
                return
            limit = "" if stated is None else f" and topology.container.max.instances of {stated}"
            raise Infeasible(
                f"{int(amounts.sum())} more instances do not fit into "
                f"{len(placement.ids)} containers within the stated container size{limit}"
            )
        if opened and not placement.instances_held[-1]:
            raise Infeasible(
                f"{int(amounts.sum())} more instances do not fit into a container of their own"
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            filled = np.nan_to_num(amounts @ placement.needs / added)
        more = max(1, math.floor(float(filled.max())))
        placement.open(more)
        placement.usable[-more:] = added
        opened = True


def _remove_least_attached(
    placement: Placement, traffic: Floats, load: Floats, component: int
) -> None:
    """Stop the instance that exchanges least with its own container.

    Among equals the one in the most loaded container, then the highest id. A container is emptied
    only where the scheduler can remove it: any, the highest, or none.
    """
    counts = placement.counts
    held = counts[component] > 0
    rules = placement.request.scheduler
    would_empty = placement.instances_held == 1
    if rules.keeps_contiguous_ids:
        would_empty[-1] = False
    elif not rules.container_set_fixed:
        would_empty[:] = False
    possible = held & ~would_empty
    if not possible.any():
        possible = held
    attachment = traffic[component] @ counts
    order = np.lexsort((-np.array(placement.ids), -(load @ counts), attachment, ~possible))
    placement.remove(component, int(order[0]))


def _place(
    placement: Placement, traffic: Floats, load: Floats, amounts: Ints, max_instances: float
) -> bool:
    """Place what is left in `amounts`, components with most RAM first; False if some found no room.

    `amounts` is counted down. Each round gives one instance each to the containers that attract the
    component most, among equals to the least loaded.
    """
    for component in np.argsort(-placement.needs[:, 1], kind="stable").tolist():
        while amounts[component]:
            room = placement.room(component) > 0
            room &= placement.instances_held < max_instances
            positions = _most_attractive(placement, traffic, load, component, room)
            positions = positions[: amounts[component]]
            if not len(positions):
                break
            placement.add_many(np.full(len(positions), component), positions)
            amounts[component] -= len(positions)
    return not amounts.any()


def _most_attractive(
    placement: Placement, traffic: Floats, load: Floats, component: int, room: Bools
) -> Ints:
    """Containers with room, those with the strongest pull alone, least loaded first."""
    candidates = np.flatnonzero(room)
    if not len(candidates):
        return candidates
    pull = traffic[component] @ placement.counts[:, candidates]
    burden = load @ placement.counts[:, candidates]
    strongest = pull >= pull.max() * (1 - 1e-9)
    if not traffic.any():
        strongest = burden <= burden.min() + 1e-12
    chosen = candidates[strongest]
    return np.asarray(chosen[np.lexsort((chosen, burden[strongest]))])
