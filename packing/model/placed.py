"""A structure under a plan: who sends how much from where to where, at nominal load.

Instances of a component that get equal shares are alike, so everything is held per component and
container; only components that read keyed or GLOBAL streams have instances of their own kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from packing.arrays import Bools, Floats, Ints, sum_by
from packing.flows import arriving_shares, instance_shares, lowest_task
from packing.model.structure import Structure
from packing.plan import Plan

Values = TypeVar("Values", Floats, Bools)

SAME_SHARE = 1e-12
"""Shares that differ by less are the same."""


@dataclass(frozen=True)
class Own:
    """The instances of one component whose shares differ, and their `k` different shares.

    Held as `m` groups: instances of one share in one container. Under a plan every instance is a
    group of its own, in the plan's order.
    """

    share: Floats
    """Different shares of the component's input, ascending; (k,)."""
    kind: Ints
    """Which of the shares the instances of each group have; (m,)."""
    container: Ints
    """Position of each group's container; (m,)."""
    number: Floats
    """Instances in each group; (m,)."""

    @cached_property
    def weight(self) -> Floats:
        """Part of the component's input that goes to instances of each share; sums to 1; (k,)."""
        return self.share * sum_by(self.kind, self.number, len(self.share))

    def by_container(self, values: Floats, width: int) -> Floats:
        """Sum of the instances' values, given per share, in each of `width` containers."""
        return sum_by(self.container, values[self.kind] * self.number, width)


@dataclass(frozen=True)
class Kinds:
    """The instances of a placement in `k` kinds of alike ones.

    First one kind per component, then one per share of each component in `own`, in its order. The
    first kind of those in `own` has no instances; it stands for their mean.
    """

    share: Floats
    """Of the component's input that goes to one instance; (k,)."""
    own: Mapping[int, Own]
    components: int
    """Their number."""

    @cached_property
    def component(self) -> Ints:
        """Component of each kind; (k,)."""
        numbers = [len(of.share) for of in self.own.values()]
        return np.concatenate((np.arange(self.components), np.repeat(list(self.own), numbers)))

    @cached_property
    def at(self) -> Mapping[int, slice]:
        """Component -> its kinds, for those in `own`."""
        found, start = {}, self.components
        for v, of in self.own.items():
            found[v] = slice(start, start + len(of.share))
            start += len(of.share)
        return found

    def of_components(self, values: Values) -> Values:
        """Values per component (last axis) as values per kind."""
        return values[..., self.component] if self.own else values

    def largest(self, values: Floats) -> Floats:
        """Largest of the values per kind of each component; (components,)."""
        if not self.own:
            return values
        found = values[: self.components].copy()
        for v, at in self.at.items():
            found[v] = values[at].max()
        return found

    def means(self, values: Floats) -> Floats:
        """Means of values per kind over the tuples of each component; (components,)."""
        if not self.own:
            return values
        found = values[: self.components].copy()
        for v, at in self.at.items():
            found[v] = self.own[v].weight @ values[at]
        return found


@dataclass(frozen=True)
class Placed:
    """A structure under a plan: shares and flows, at nominal load."""

    structure: Structure
    known_plan: Plan | None
    """None where only counts of instances are known."""
    counts: Ints | Floats
    """Instances of each component in each container; (components, C)."""
    totals: Floats
    """Instances per component, at least 1; (components,)."""
    sending: Floats
    """Share of a component's output that leaves from each container; (components, C)."""
    own: Mapping[int, Own]
    """Component -> its instances, where they get different shares."""
    local_per_s: Floats
    """Per stream: tuples/s that stay inside a container; (streams,)."""
    manager_flows_per_s: Floats
    """Through each stream manager: tuples from local instances, one per reader; tuples from other
    stream managers; bytes to and from those; (3, C)."""

    @property
    def plan(self) -> Plan:
        """The plan; ValueError where only counts of instances are known."""
        if self.known_plan is None:
            raise ValueError("nothing is known of single instances: only their counts were given")
        return self.known_plan

    @property
    def manager_in_per_s(self) -> Floats:
        """Per container: tuples from local instances, one per reader."""
        found: Floats = self.manager_flows_per_s[0]
        return found

    @property
    def manager_remote_in_per_s(self) -> Floats:
        """Per container: tuples from other stream managers."""
        found: Floats = self.manager_flows_per_s[1]
        return found

    @property
    def manager_remote_bytes_per_s(self) -> Floats:
        """Per container: bytes to and from other stream managers."""
        found: Floats = self.manager_flows_per_s[2]
        return found

    @cached_property
    def flow(self) -> Floats:
        """Tuples/s to a component from each container; (components, C)."""
        found: Floats = self.structure.feeding @ self.sending
        return found

    @cached_property
    def from_each(self) -> Floats:
        """Tuples/s to one instance from each container, where all instances get the same."""
        found: Floats = self.flow / self.totals[:, None]
        return found

    @cached_property
    def share(self) -> Floats:
        """Per instance: share of its component's input; shape (n,)."""
        return self.per_instance(self.kinds.share)

    @cached_property
    def largest_share(self) -> Floats:
        """Of any instance of each component; (components,)."""
        return self.kinds.largest(self.kinds.share)

    @cached_property
    def kinds(self) -> Kinds:
        """Kinds of alike instances."""
        even: Floats = 1.0 / self.totals
        if not self.own:
            return Kinds(even, {}, len(even))
        shares = [of.share for of in self.own.values()]
        return Kinds(np.concatenate((even, *shares)), self.own, len(even))

    @cached_property
    def alike(self) -> Floats:
        """`counts` without the instances of components in `own`; (components, C)."""
        found = self.counts.astype(np.float64)
        if self.own:
            found[list(self.own)] = 0.0
        return found

    def in_containers(self, values: Floats) -> Floats:
        """Sums over the instances in each container, of rows with values per kind; (rows, C)."""
        size, width = self.counts.shape
        found: Floats = values[:, :size] @ self.alike
        for v, at in self.kinds.at.items():
            found += [self.own[v].by_container(row, width) for row in values[:, at]]
        return found

    def per_instance(self, values: Floats) -> Floats:
        """Values per kind as values per instance; (n,)."""
        component = self.plan.component
        found: Floats = values[component]
        for v, at in self.kinds.at.items():
            found[component == v] = values[at][self.own[v].kind]
        return found


def place(structure: Structure, plan: Plan) -> Placed:
    """Flows of `structure` between the containers of `plan`."""
    counts = plan.counts
    totals = np.maximum(counts.sum(axis=1), 1.0)
    even = counts / totals[:, None]
    if not structure.routed:
        return flows_between(structure, plan, counts, totals, even, None, {})
    if structure.keyed:
        arriving = arriving_shares(structure.topology, plan, structure.rates)
    else:
        arriving = even[structure.stream_target]
        for i in structure.to_lowest.nonzero()[0].tolist():
            at = lowest_task(plan, structure.target[i])
            if at is not None:
                arriving[i] = 0.0
                arriving[i, plan.container[at]] = 1.0
    own = _own(structure, plan, totals)
    sending = even
    for v, of in own.items():
        sending[v] = of.by_container(of.share, counts.shape[1])
    return flows_between(structure, plan, counts, totals, sending, arriving, own)


def flows_between(  # noqa: PLR0917 - one table after the other
    structure: Structure,
    plan: Plan | None,
    counts: Ints | Floats,
    totals: Floats,
    sending: Floats,
    arriving: Floats | None,
    own: Mapping[int, Own],
) -> Placed:
    """Flows where a component's output leaves by `sending` (components, C) and a stream's tuples
    arrive by `arriving` (streams, C); None where they arrive as their reader's output leaves."""
    s = structure
    staying = sending.take(s.stream_source, axis=0)
    if arriving is None:
        staying *= sending.take(s.stream_target, axis=0)
        flows = s.even_weights @ sending
    else:
        staying *= arriving
        flows = s.leaving_weights @ sending
        flows += s.arriving_weights @ arriving
    flows -= s.staying_weights @ staying
    return Placed(
        structure=s,
        known_plan=plan,
        counts=counts,
        totals=totals,
        sending=sending,
        own=own,
        local_per_s=s.rates.stream_per_s * staying.sum(axis=1),
        manager_flows_per_s=flows,
    )


def _own(structure: Structure, plan: Plan, totals: Floats) -> dict[int, Own]:
    readers = [v for v in structure.routed if totals[v] > 1]
    if not structure.keyed.isdisjoint(readers):
        shares = instance_shares(structure.topology, plan, structure.rates)
    found = {}
    for v in readers:
        members = (plan.component == v).nonzero()[0]
        if v in structure.keyed:
            share, kind = np.unique(shares[members], return_inverse=True)
        else:
            # The lowest task gets its part of what the others share, and all that goes to it alone.
            alone = structure.lowest_part[v]
            even = (1.0 - alone) / totals[v]
            share = np.array([even, even + alone])
            kind = np.zeros(len(members), dtype=np.int64)
            kind[plan.task_id[members].argmin()] = 1
        if share[-1] - share[0] >= SAME_SHARE:
            found[v] = Own(share, kind, plan.container[members], np.ones(len(members)))
    return found
