"""A pack request as counts of alike instances, and counts as a plan.

A fresh plan numbers tasks in the order of components and of indexes within them, so index 0 of a
component is its lowest task, and shares by task id are shares by index.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from packing.arrays import Bools, Floats, Ints
from packing.errors import Infeasible
from packing.flows import instance_shares
from packing.model.costs import HeronCosts
from packing.model.counts import Classes
from packing.model.demand import Needs, place
from packing.model.placed import SAME_SHARE
from packing.model.structure import TUPLE_OVERHEAD_BYTES
from packing.plan import Plan
from packing.planners.placement import Placement
from packing.planners.round_robin import deal
from packing.planners.usable_size import hard_limit, usable
from packing.request import Request
from packing.search.problem import PackingProblem
from packing.topology import Grouping

MAX_CLASSES_PER_COMPONENT = 8
"""Instances whose shares differ are told apart by this many classes at most."""
FINEST_RATIO = 1.02
"""Shares within this ratio count as alike from the start."""
COUNT_CAP_OVER_MEAN = 1.25
"""Instances per container over the mean, where the user states no limit."""


@dataclass(frozen=True, eq=False)
class InstanceClasses:
    """The instances of a topology in classes of alike ones; `K` classes, ordered by component.

    A class's shares are the means of its members', so that sums over all instances stay the same.
    """

    component: Ints
    """(K,)"""
    members: tuple[Ints, ...]
    """Component indexes of the instances of each class, hottest first."""
    sent: Floats
    """Share of its component's output that one instance sends; (K,)."""
    received: Floats
    """Share of each stream that one instance gets; (streams, K)."""

    @cached_property
    def supply(self) -> Ints:
        """Instances per class."""
        return np.array([len(members) for members in self.members], dtype=np.int64)


class RequestedPack:
    """A pack request in the terms of the search."""

    def __init__(self, request: Request, containers: int | None = None) -> None:
        """Prepare `request` for `containers` containers; the stated number where none is given."""
        self.request = request
        wanted = request.constraints.container_count if containers is None else containers
        self.containers = min(wanted, request.topology.instance_count)

    @cached_property
    def dealt(self) -> Plan:
        """Round robin's dealing with the sizes that our plans have; it may not fit."""
        component, _, container = deal(self.request, self.containers)
        placement = Placement(self.request, None, self.request.constraints.padding)
        placement.open(self.containers)
        placement.add_many(component, container)
        return placement.build()

    @cached_property
    def _shares(self) -> Floats:
        return instance_shares(self.request.topology, self.dealt, self.request.prepared.rates)

    @cached_property
    def classes(self) -> InstanceClasses:
        """Who is alike."""
        request, dealt = self.request, self.dealt
        topology, rates = request.topology, request.prepared.rates
        routed = set(request.prepared.routed)
        component: list[int] = []
        members: list[Ints] = []
        of_instance: list[tuple[Floats, Ints]] = []
        for v, this in enumerate(topology.components):
            if v in routed and this.parallelism > 1:
                at = np.flatnonzero(dealt.component == v)
                shares = np.empty(this.parallelism)
                shares[dealt.index[at]] = self._shares[at]
                groups = alike(shares)
                of_instance.append((shares, np.arange(this.parallelism)))
            else:
                groups = [np.arange(this.parallelism)]
                of_instance.append((np.full(this.parallelism, 1.0 / this.parallelism), groups[0]))
            component += [v] * len(groups)
            members += groups
        received = np.zeros((len(topology.streams), len(component)))
        for i, stream in enumerate(topology.streams):
            v = topology.position[stream.target]
            parallelism = topology.components[v].parallelism
            each = np.full(parallelism, 1.0 / parallelism)
            uneven = rates.uneven.get(i)
            if stream.grouping is Grouping.GLOBAL:
                each = np.zeros(parallelism)
                each[0] = 1.0
            elif uneven is not None and len(uneven.values) == parallelism:
                each = uneven.values
            for k, of in enumerate(component):
                if of == v:
                    received[i, k] = each[members[k]].mean()
        sent = np.array([of_instance[v][0][members[k]].mean() for k, v in enumerate(component)])
        return InstanceClasses(np.array(component), tuple(members), sent, received)

    @cached_property
    def traffic(self) -> Floats:
        """Tuples/s between one instance of each class and one of each; symmetric (K, K)."""
        classes = self.classes
        alike_ones = Classes(
            self.request.prepared, classes.component, classes.sent, classes.received
        )
        return class_traffic(alike_ones)

    @cached_property
    def load(self) -> Floats:
        """CPU that one instance of each class keeps busy at nominal load, in cores; (K,).

        Where the load is not known, the CPU that instances ask for.
        """
        request, classes, dealt = self.request, self.classes, self.dealt
        if not request.prepared.known_load:
            return self.needs[:, 0]
        by_index = np.lexsort((dealt.index, dealt.component))
        first = np.cumsum([0, *(c.parallelism for c in request.topology.components)])
        members = [
            by_index[first[v] + of]
            for v, of in zip(classes.component.tolist(), classes.members, strict=True)
        ]
        alike_ones = Classes(request.prepared, classes.component, classes.sent, classes.received)
        return class_load(request, dealt, alike_ones, members)

    @cached_property
    def needs(self) -> Floats:
        """Cores, RAM and disk of one instance of each class; (K, 3)."""
        placement = Placement(self.request, None, self.request.constraints.padding)
        return placement.needs[self.classes.component]

    @cached_property
    def dealt_counts(self) -> Ints:
        """Counts of round robin's dealing; (K, C)."""
        counts = np.zeros((len(self.classes.component), self.containers), dtype=np.int64)
        dealt = self.dealt
        for k, v in enumerate(self.classes.component.tolist()):
            chosen = dealt.component == v
            if len(self.classes.members[k]) < self.request.topology.components[v].parallelism:
                chosen &= np.isin(dealt.index, self.classes.members[k])
            counts[k] = np.bincount(dealt.container[chosen], minlength=self.containers)
        return counts

    @property
    def _spread(self) -> Bools | None:
        """Components that must be in two containers, where the request asks for that."""
        if not self.request.spread_components or self.containers < 2:
            return None
        parallelism = [c.parallelism for c in self.request.topology.components]
        return np.array(parallelism) > 1

    def problem(self, largest: bool = False) -> PackingProblem:
        """The problem at the sizes that containers should have, or at the `largest` they may."""
        return self._largest_problem if largest else self._usual_problem

    @cached_property
    def _largest_problem(self) -> PackingProblem:
        stated = self.request.constraints.max_instances
        most = math.inf if stated is None else stated
        return self._problem(hard_limit(self.request), most)

    @cached_property
    def _usual_problem(self) -> PackingProblem:
        request, stated = self.request, self.request.constraints.max_instances
        fullest = (self.dealt_counts.T @ self.needs).max(axis=0)
        even = math.ceil(COUNT_CAP_OVER_MEAN * request.topology.instance_count / self.containers)
        most = even if stated is None else stated
        return self._problem(usable(request, fullest, self.needs), most)

    def _problem(self, size: Floats, most: float) -> PackingProblem:
        """The problem in containers that take `size` and at most `most` instances."""
        # Every other container holds at least one.
        most = min(most, self.request.topology.instance_count - self.containers + 1)
        return PackingProblem(
            traffic=self.traffic,
            supply=self.classes.supply,
            needs=self.needs,
            capacity=np.tile(size, (self.containers, 1)),
            most=np.full(self.containers, int(most), dtype=np.int64),
            load=self.load[:, None],
            component_of=self.classes.component,
            spread=self._spread,
        )

    def plan(self, counts: Ints, all_cores: bool = False) -> Plan:
        """The plan with these counts per class and container; (K, C).

        Members of a class that are not quite alike are dealt hottest first to the containers with
        least load. With `all_cores` each container gets the cores that are stated for one, as
        Heron's RoundRobinPacking gives them; otherwise what its instances and the padding take.
        """
        request, classes = self.request, self.classes
        placement = Placement(request, None, request.constraints.padding)
        placement.open(counts.shape[1])
        by_load = np.argsort(self.load @ counts, kind="stable")
        parallelism = [c.parallelism for c in request.topology.components]
        container = [np.zeros(count, dtype=np.int64) for count in parallelism]
        for k, v in enumerate(classes.component.tolist()):
            members = classes.members[k]
            if len(members) == parallelism[v]:
                container[v] = np.repeat(np.arange(counts.shape[1]), counts[k])
            else:
                container[v][members] = _dealt(by_load, counts[k])
        for v in np.argsort(-placement.needs[:, 1], kind="stable").tolist():
            placement.add_many(np.full(parallelism[v], v), container[v])
        plan = placement.build()
        if plan.container_count != counts.shape[1]:
            raise Infeasible("a container would hold no instance")
        stated = request.constraints.container_cpu_cores
        if all_cores and stated is not None:
            return replace(plan, container_cpu_cores=np.maximum(plan.container_cpu_cores, stated))
        return plan


def _dealt(order: Ints, counts: Ints) -> Ints:
    """Containers, each as often as it counts, in rounds that follow `order`."""
    places = np.repeat(np.arange(len(counts)), counts)
    turn = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(places[np.lexsort((rank[places], turn))])


def class_traffic(classes: Classes) -> Floats:
    """Tuples/s between one instance of each class and one of each; symmetric (K, K)."""
    prepared = classes.structure
    size = len(classes.component)
    found = np.zeros((size, size))
    for i, rate in enumerate(prepared.rates.stream_per_s.tolist()):
        sending = np.where(classes.component == prepared.source[i], classes.sent, 0.0)
        one_way = rate * np.multiply.outer(sending, classes.received[i])
        found += one_way + one_way.T
    return found


def class_load(request: Request, plan: Plan, classes: Classes, members: Sequence[Ints]) -> Floats:
    """CPU that one instance of each class keeps busy at nominal load, in cores; (K,).

    With what its tuples cost the stream managers, as far as that does not depend on where the
    others are: all remote, packets as `plan` has them. `members` are the positions in `plan` of
    the instances of each class.
    """
    prepared, costs = classes.structure, request.costs
    needs = Needs(place(prepared, plan), costs, request.runtime)
    at_load = needs.at()
    cores = at_load.instance_rising + at_load.instance_fixed
    each = np.stack([cores, at_load.packets_in_per_s, at_load.packets_out_per_s])
    mean = np.array([each[:, of].mean(axis=1) for of in members])
    rate = prepared.rates.stream_per_s
    weights = np.stack([rate, rate * (prepared.stream_bytes + TUPLE_OVERHEAD_BYTES)])
    sending = np.equal.outer(np.array(prepared.source), classes.component) * classes.sent
    packet_out_s = np.where(
        prepared.spout, costs.manager_spout_packet_s, costs.manager_bolt_packet_s
    )
    manager = _manager_cores(
        costs,
        mean[:, 1],
        mean[:, 2] * packet_out_s[classes.component],
        weights @ sending,
        weights @ classes.received,
        1.0 - 1.0 / plan.container_count,
        request.runtime.acking,
    )
    return np.asarray(mean[:, 0] + manager, dtype=np.float64)


def alike(shares: Floats) -> list[Ints]:
    """Indexes in groups of nearly equal shares, hottest first; at most 8 groups.

    A group spans shares within a ratio, the smallest ratio of `FINEST_RATIO` squared again and
    again that gives few enough groups. Equal shares are never parted.
    """
    order = np.lexsort((np.arange(len(shares)), -shares))
    ordered = shares[order]
    top = float(ordered[0])
    if top <= 0 or top - ordered[-1] < SAME_SHARE:
        return [np.sort(order)]
    # Below a millionth of the hottest they are as good as none.
    depth = np.log(top / np.maximum(ordered, top * 1e-6))
    width = math.log(FINEST_RATIO)
    while True:
        step = np.floor(depth / width + 1e-9)
        starts = np.flatnonzero(np.r_[True, step[1:] != step[:-1]])
        if len(starts) <= MAX_CLASSES_PER_COMPONENT:
            return np.split(order, starts[1:])
        width *= 2


def _manager_cores(  # noqa: PLR0917 - what passes a stream manager
    costs: HeronCosts,
    packets_in: Floats,
    packets_out_cores: Floats,
    leaving: Floats,
    arriving: Floats,
    remote: float,
    acking: bool,
) -> Floats:
    """Cores of stream managers for one instance of each class; (K,).

    `leaving` and `arriving` are its tuples/s and bytes/s, (2, K); `remote` the part that crosses.
    """
    cores = packets_in * costs.manager_packet_out_s + packets_out_cores
    cores = cores + leaving[0] * costs.manager_tuple_s
    cores = cores + arriving[0] * remote * costs.manager_remote_in_s
    cores = cores + (leaving[1] + arriving[1]) * remote * costs.manager_byte_s
    if acking:
        cores = cores + (leaving[0] + arriving[0] * remote) * costs.manager_ack_s
    return np.asarray(cores, dtype=np.float64)
