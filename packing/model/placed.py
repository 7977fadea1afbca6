"""A structure under a plan: who sends how much from where to where, at nominal load.

Instances of a component that get equal shares are alike, so everything is held per component and
container; only components that read keyed or GLOBAL streams have instances of their own kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from packing.arrays import Floats, Ints, sum_by
from packing.flows import arriving_shares, instance_shares, lowest_task_container
from packing.model.structure import Structure
from packing.plan import Plan

SAME_SHARE = 1e-12
"""Shares that differ by less are the same."""


@dataclass(frozen=True)
class Own:
    """The instances of one component whose shares differ, and their `k` different shares."""

    members: Ints
    """Positions in the plan."""
    container: Ints
    """Position of each one's container."""
    kind: Ints
    """Which of the shares each one has."""
    share: Floats
    """Different shares of the component's input; (k,)."""
    weight: Floats
    """Part of the component's input that goes to instances of each share; (k,), sums to 1."""

    @staticmethod
    def of(plan: Plan, members: Ints, share: Floats) -> Own:
        """Instances at `members` with their shares."""
        different, kind = np.unique(share, return_inverse=True)
        weight = sum_by(kind, share, len(different))
        return Own(members, plan.container[members], kind, different, weight)

    def by_container(self, values: Floats, width: int) -> Floats:
        """Sum of the instances' values, given per share, in each of `width` containers."""
        return sum_by(self.container, values[self.kind], width)


@dataclass(frozen=True)
class Placed:
    """A structure under a plan: shares and flows, at nominal load."""

    structure: Structure
    plan: Plan
    counts: Floats
    """Instances of each component in each container; (components, C)."""
    sending: Floats
    """Share of a component's output that leaves from each container; (components, C)."""
    own: Mapping[int, Own]
    """Component -> its instances, where they get different shares."""
    local_per_s: Floats
    """Per stream: tuples/s that stay inside a container; (streams,)."""
    manager_in_per_s: Floats
    """Per container: tuples from local instances, one per reader."""
    manager_remote_in_per_s: Floats
    manager_remote_bytes_per_s: Floats
    """Per container: bytes to and from other stream managers."""

    @cached_property
    def totals(self) -> Floats:
        """Instances per component, at least 1; (components,)."""
        found: Floats = np.maximum(self.counts.sum(axis=1), 1.0)
        return found

    @cached_property
    def input_each(self) -> Floats:
        """Input of one instance where all get the same, tuples/s; (components,)."""
        found: Floats = self.structure.rates.input_per_s / self.totals
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
        shares: Floats = (1.0 / self.totals)[self.plan.component]
        for of in self.own.values():
            shares[of.members] = of.share[of.kind]
        return shares

    @cached_property
    def largest_share(self) -> Floats:
        """Of any instance of each component; (components,)."""
        largest: Floats = 1.0 / self.totals
        for v, of in self.own.items():
            largest[v] = of.share.max(initial=0.0)
        return largest

    def per_instance(self, values: Floats, own: Mapping[int, Floats]) -> Floats:
        """Values per component, and per share of those in `own`, as one array (n,)."""
        found: Floats = values[self.plan.component]
        for v, of_members in own.items():
            of = self.own[v]
            found[of.members] = of_members[of.kind]
        return found


def place(structure: Structure, plan: Plan) -> Placed:
    """Flows of `structure` between the containers of `plan`."""
    counts = plan.counts.astype(np.float64)
    even = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    own = _own(structure, plan, counts) if structure.routed else {}
    sending = even
    if own:
        sending = even.copy()
        for v, of in own.items():
            sending[v] = of.by_container(of.share, counts.shape[1])
    arriving = even[structure.stream_target]
    if structure.rates.uneven:
        arriving = arriving_shares(structure.topology, plan, structure.rates)
        arriving_weights = structure.stream_weights @ arriving
    elif structure.routed:
        for i in structure.to_lowest.nonzero()[0].tolist():
            at = lowest_task_container(plan, structure.target[i])
            if at is not None:
                arriving[i] = 0.0
                arriving[i, at] = 1.0
        arriving_weights = structure.stream_weights @ arriving
    else:
        arriving_weights = structure.target_weights @ even
    both = sending[structure.stream_source]
    both *= arriving
    # Rows: tuples and bytes on the wire.
    both_weights = structure.stream_weights @ both
    leaving_weights = structure.source_weights @ sending
    return Placed(
        structure=structure,
        plan=plan,
        counts=counts,
        sending=sending,
        own=own,
        local_per_s=structure.rates.stream_per_s * both.sum(axis=1),
        manager_in_per_s=leaving_weights[0],
        manager_remote_in_per_s=arriving_weights[0] - both_weights[0],
        manager_remote_bytes_per_s=leaving_weights[1] + arriving_weights[1] - 2 * both_weights[1],
    )


def _own(structure: Structure, plan: Plan, counts: Floats) -> dict[int, Own]:
    readers = [v for v in structure.routed if counts[v].sum() > 1]
    if not readers:
        return {}
    shares = instance_shares(structure.topology, plan, structure.rates)
    found = {}
    for v in readers:
        members = (plan.component == v).nonzero()[0]
        of = Own.of(plan, members, shares[members])
        if of.share[-1] - of.share[0] >= SAME_SHARE:
            found[v] = of
    return found
