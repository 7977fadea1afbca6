"""All bounds for a request, and how far a plan is from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats
from packing.bounds.bound import Bound
from packing.bounds.containers import fewest_containers, relative_sizes
from packing.bounds.instances import InstanceSizes, instance_sizes
from packing.bounds.limits import PlanLimits, plan_limits, requested_limits
from packing.bounds.load import most_sustainable_load
from packing.bounds.moves import fewest_disturbed
from packing.bounds.shares import MAX_CLASSES, ShareClasses, share_classes
from packing.bounds.traffic import NODES, most_instances, most_local_traffic
from packing.disruption import Disruption
from packing.model import Prediction
from packing.plan import Plan
from packing.request import Request
from packing.search.problem import PackingProblem


@dataclass(frozen=True)
class Bounds:
    """What no plan within `limits` can do better. Each says how it was found."""

    limits: PlanLimits
    containers: Bound
    """Containers of that size that hold all instances, at least."""
    cross_tuples_per_s: Bound
    """Tuples/s that cross containers, at least."""
    traffic_tuples_per_s: float
    """Tuples/s on all streams."""
    sustainable_load_factor: Bound | None
    """Offered load times that runs without back-pressure, at most; None where load is unknown."""
    disturbed_instances: Bound
    """Running instances that stop or change container, at least."""

    @property
    def cross_fraction(self) -> float:
        """Part of the traffic that crosses, at least; 0 without traffic."""
        total = self.traffic_tuples_per_s
        return self.cross_tuples_per_s.value / total if total > 0 else 0.0


@dataclass(frozen=True)
class Gaps:
    """How much better than a plan another one can be at most; 0 where the plan is optimal."""

    containers: int
    """Containers fewer."""
    cross_fraction: float
    """Of all traffic, that need not cross."""
    sustainable_load: float | None
    """Share of load more, relative to what the plan sustains; None where load is unknown, infinite
    where the plan sustains none."""
    disturbed_instances: int
    """Running instances that need not stop or move."""


@dataclass(frozen=True)
class Effort:
    """How much work bounds may be; more makes that on traffic closer."""

    nodes: int = NODES
    """Of each branch and bound in the configuration LP; 0 leaves the LP out."""
    classes: int = MAX_CLASSES
    """In which instances are told apart by their shares, about, where these differ."""


QUICK = Effort()
"""A few ms, whatever the parallelism; some more where keys are skewed in many components."""


def bounds_for(request: Request, plan: Plan | None = None, effort: Effort = QUICK) -> Bounds:
    """Bounds for plans that keep the rules of `request`; with `plan`, that take no more than it."""
    if plan is None:
        return bounds_within(request, requested_limits(request), effort=effort)
    return bounds_within(request, plan_limits(request, plan), plan, effort)


def bounds_within(
    request: Request, limits: PlanLimits, plan: Plan | None = None, effort: Effort = QUICK
) -> Bounds:
    """Bounds for plans within `limits`, whose instances take what is configured.

    With `plan` they may also take what its instances take, where that is less.
    """
    sizes = instance_sizes(request)
    classes = share_classes(request, effort.classes)
    least = _least_needs(request, sizes, plan)
    problem = _problem(request, classes, least, limits)
    total = request.prepared.traffic_per_s
    local = Bound(total, "ids decide which instances are hot")
    if classes.certain:
        local = most_local_traffic(problem, effort.nodes)
    cross = max(0.0, total - local.value)
    return Bounds(
        limits=limits,
        containers=_containers(sizes, least, limits),
        cross_tuples_per_s=Bound(cross, local.how),
        traffic_tuples_per_s=total,
        sustainable_load_factor=most_sustainable_load(
            request, classes, limits, most_instances(problem), cross
        ),
        disturbed_instances=fewest_disturbed(request, limits.containers),
    )


def gaps(
    plan: Plan, prediction: Prediction, bounds: Bounds, disruption: Disruption | None = None
) -> Gaps:
    """How far a plan is from what is proved. `bounds` must be for plans like this one."""
    highest, found = bounds.sustainable_load_factor, prediction.sustainable_load_factor
    more: float | None = None
    if highest is not None and found is not None:
        more = max(0.0, highest.value / found - 1) if found > 0 else math.inf
    disturbed = 0
    if disruption is not None:
        disturbed = disruption.stopped_instances + disruption.moved_instances
    return Gaps(
        containers=int(max(0.0, plan.container_count - bounds.containers.value)),
        cross_fraction=max(0.0, prediction.cross_fraction - bounds.cross_fraction),
        sustainable_load=more,
        disturbed_instances=max(0, disturbed - int(bounds.disturbed_instances.value)),
    )


def _least_needs(request: Request, sizes: InstanceSizes, plan: Plan | None) -> Floats:
    """The least that an instance of each component takes; (components, 3).

    Planners may size instances otherwise than configured, as round robin does.
    """
    found = np.full((len(request.topology.names), 3), np.inf)
    np.minimum.at(found, sizes.component, sizes.needs)
    if plan is not None:
        taken = np.column_stack([plan.cpu_cores, plan.ram_bytes, plan.disk_bytes])
        np.minimum.at(found, plan.component, taken.astype(np.float64))
    return found


def _containers(sizes: InstanceSizes, least: Floats, limits: PlanLimits) -> Bound:
    needs = np.minimum(sizes.needs, least[sizes.component])
    relative = relative_sizes(needs, limits.usable, limits.max_instances)
    return fewest_containers(sizes.supply, relative)


def _problem(
    request: Request, classes: ShareClasses, least: Floats, limits: PlanLimits
) -> PackingProblem:
    """Instances that share at least as much, and take no more, than those of any plan."""
    count, instances = limits.containers, int(classes.supply.sum())
    most = min(limits.max_instances, instances - count + 1)
    return PackingProblem(
        traffic=_most_traffic(request, classes),
        supply=classes.supply,
        needs=least[classes.component],
        capacity=np.tile(limits.usable, (count, 1)),
        most=np.full(count, int(most), dtype=np.int64),
        load=np.zeros((len(classes.supply), 1)),
        component_of=classes.component,
    )


def _most_traffic(request: Request, classes: ShareClasses) -> Floats:
    """Tuples/s between one instance of each class and one of each, at most; symmetric (K, K)."""
    prepared, of = request.prepared, classes.component
    rate, source, target = (
        prepared.rates.stream_per_s, prepared.stream_source, prepared.stream_target
    )  # fmt: skip
    if len(of) == len(prepared.spout):  # a class per component
        one_way = np.zeros((len(of), len(of)))
        received = classes.most_received[np.arange(len(rate)), target]
        np.add.at(one_way, (source, target), rate * classes.most_share[source] * received)
    else:
        sent = (of[None, :] == source[:, None]) * classes.most_share * rate[:, None]
        one_way = sent.T @ classes.most_received
    return np.asarray(one_way + one_way.T, dtype=np.float64)
