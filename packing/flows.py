"""Tuple rates of components, streams and instances.

Per stream the flow between instances i and j is of rank one: `rate * source_share[i] *
routing_share[j]`, whatever the keys. So a plan needs no graph of instances: per component one
vector of shares, summed over each container, gives every container-to-container flow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

import numpy as np

from packing.arrays import Floats, Ints, sum_by
from packing.errors import InvalidRequest
from packing.key_skew import Order, Shares
from packing.plan import Plan
from packing.profile import ASSUMED_RATE_PER_S, Profile
from packing.profile import stream_key as stream_key  # noqa: PLC0414 - exported
from packing.topology import Grouping, Kind, Stream, Topology

MAX_RATE_PER_S = 1e15
"""No topology carries more; beyond it sums would lose their meaning."""


@dataclass(frozen=True)
class Flows:
    """Rates at component level, tuples/s. Arrays follow the topology's order."""

    input_per_s: Floats
    """Per component: tuples received; for a spout the base tuples it emits."""
    stream_per_s: Floats
    """Per stream: tuples delivered, copies of an ALL grouping counted each."""
    uneven: Mapping[int, Shares] = field(default_factory=dict)
    """Stream's position -> shares of its reading instances, where keys make them uneven."""


def flows(topology: Topology, profile: Profile) -> Flows:
    """Propagate the spouts' rates along the streams.

    Solves `x = s + G x`, with G[v, u] the tuples that v receives per input tuple of u, which for a
    DAG is propagation in topological order and for loops their geometric sum. Where selectivities
    differ by input stream, x are the streams' rates instead, and G[q, i] the tuples on q per tuple
    from i. Raises InvalidRequest when a loop amplifies itself (spectral radius of G not below 1),
    or when rates grow beyond what can be computed with.
    """
    size = len(topology.components)
    spouts = np.zeros(size)
    for i, component in enumerate(topology.components):
        if component.kind is Kind.SPOUT:
            rate = profile.rate_per_s.get(component.name, ASSUMED_RATE_PER_S)
            spouts[i] = rate * component.parallelism
    gains = np.array([_gain(stream, topology, profile) for stream in topology.streams])
    sources = np.array([topology.position[s.source] for s in topology.streams], dtype=np.int64)
    targets = np.array([topology.position[s.target] for s in topology.streams], dtype=np.int64)
    if profile.input_selectivity:
        # Tuples that come from different streams differ in what they cause.
        following = np.argwhere(targets[None, :] == sources[:, None])
        gain_matrix = np.zeros((len(gains), len(gains)))
        for output, into in following.tolist():
            gain_matrix[output, into] = _gain(
                topology.streams[output], topology, profile, topology.streams[into]
            )
        _refuse_divergence([s.source for s in topology.streams], following, gain_matrix)
        streams = _solved(gain_matrix, spouts[sources] * gains)
        inputs = spouts + np.bincount(targets, streams, minlength=size)
    else:
        gain_matrix = np.zeros((size, size))
        np.add.at(gain_matrix, (targets, sources), gains)
        _refuse_divergence(topology.names, np.column_stack((targets, sources)), gain_matrix)
        inputs = _solved(gain_matrix, spouts)
        streams = inputs[sources] * gains if len(gains) else np.zeros(0)
    _refuse_overflow(topology, inputs, streams)
    return Flows(inputs, streams, _uneven(topology, profile))


def _solved(gain_matrix: Floats, outside: Floats) -> Floats:
    """`x = outside + gain_matrix @ x`; nothing below zero, which only rounding would be."""
    found = np.linalg.solve(np.eye(len(outside)) - gain_matrix, outside)
    return np.asarray(np.maximum(found, 0.0), np.float64)


def _uneven(topology: Topology, profile: Profile) -> dict[int, Shares]:
    if not (profile.key_shares or profile.key_weights):
        return {}
    found = {}
    for i, stream in enumerate(topology.streams):
        if stream.grouping not in {Grouping.FIELDS, Grouping.DIRECT, Grouping.CUSTOM}:
            continue
        readers = topology.component(stream.target).parallelism
        shares = profile.shares_at(stream_key(stream), readers)
        # What senders choose themselves follows no rule that would hold at another parallelism.
        by_rule = stream.grouping is Grouping.FIELDS
        if shares is not None and (by_rule or shares.order is Order.COMPONENT_INDEX):
            found[i] = shares
    return found


def _refuse_overflow(topology: Topology, inputs: Floats, streams: Floats) -> None:
    for things, rates in ((topology.names, inputs), (topology.streams, streams)):
        beyond = ~(rates <= MAX_RATE_PER_S)  # also true for what is not a number
        if bool(np.any(beyond)):
            first = int(np.argmax(beyond))
            raise InvalidRequest(
                f"{things[first]} would carry {rates[first]:g} tuples/s; lower the rates or "
                "selectivities that lead to it"
            )


def _gain(
    stream: Stream, topology: Topology, profile: Profile, into: Stream | None = None
) -> float:
    """Tuples delivered on `stream` per input tuple of its source, or per tuple from `into`."""
    copies = topology.component(stream.target).parallelism if stream.grouping is Grouping.ALL else 1
    key = stream_key(stream)
    selectivity = profile.selectivity.get(key, 1.0)
    if into is not None:
        selectivity = profile.input_selectivity.get((key, stream_key(into)), selectivity)
    return selectivity * copies


def _refuse_divergence(components: Sequence[str], following: Ints, gain_matrix: Floats) -> None:
    """Check every loop among nodes that belong to `components`; `following` has rows (v, u)."""
    sources: dict[int, set[int]] = {}
    targets: dict[int, set[int]] = {}
    for target, source in following.tolist():
        sources.setdefault(target, set()).add(source)
        targets.setdefault(source, set()).add(target)
    while True:
        try:
            TopologicalSorter(sources).prepare()
        except CycleError as error:
            cycle: list[int] = error.args[1]
        else:
            return
        # Everything that is both upstream and downstream of one component loops together.
        loop = _reachable(cycle[0], sources) & _reachable(cycle[0], targets)
        members = sorted(loop)
        gains = gain_matrix[np.ix_(members, members)]
        if not (np.isfinite(gains).all() and max(abs(np.linalg.eigvals(gains))) < 1.0 - 1e-9):
            raise InvalidRequest(
                f"the streams form a cycle, {' -> '.join(components[i] for i in cycle)}, in which "
                "tuples multiply without end; break the cycle, or state selectivities below 1 "
                "along it in a profile"
            )
        for member in loop:
            sources[member] -= loop


def _reachable(start: int, following: Mapping[int, set[int]]) -> set[int]:
    found = {start}
    left = [start]
    while left:
        new = following.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def instance_shares(topology: Topology, plan: Plan, rates: Flows) -> Floats:
    """Share of its component's input that each instance of `plan` handles; sums to 1 each.

    Shuffle and none split evenly; ALL gives every instance the same; GLOBAL gives everything to the
    lowest task id; FIELDS, DIRECT and CUSTOM follow `rates.uneven`, and are even where that says
    nothing.
    """
    totals = np.bincount(plan.component, minlength=len(plan.components))
    even = 1.0 / np.maximum(totals, 1)[plan.component]
    targets = np.array([topology.position[s.target] for s in topology.streams], dtype=np.int64)
    received = np.bincount(targets, rates.stream_per_s, minlength=len(topology.components))
    own: list[tuple[int, float, Ints, Floats]] = []
    for i, target in enumerate(targets.tolist()):
        if rates.stream_per_s[i] > 0 and (arriving := _uneven_arrival(topology, plan, rates, i)):
            own.append((target, float(rates.stream_per_s[i] / received[target]), *arriving))
    if not own:
        return even
    by_rule = np.zeros(len(topology.components))
    for target, part, _, _ in own:
        by_rule[target] += part
    shares = even * np.maximum(0.0, 1.0 - by_rule)[plan.component]
    for _, part, members, values in own:
        shares[members] += part * values
    return shares


def _uneven_arrival(
    topology: Topology, plan: Plan, rates: Flows, stream: int
) -> tuple[Ints, Floats] | None:
    """Instances (positions in `plan`) and their shares of a stream; None where it is even."""
    shares = rates.uneven.get(stream)
    to_lowest = topology.streams[stream].grouping is Grouping.GLOBAL
    if shares is None and not to_lowest:
        return None
    target = topology.position[topology.streams[stream].target]
    if to_lowest:
        lowest = lowest_task(plan, target)
        return None if lowest is None else (np.array([lowest]), np.ones(1))
    members = np.flatnonzero(plan.component == target)
    if shares is None or len(shares.values) != len(members):
        return None  # another parallelism than the rates were computed for
    by = plan.index if shares.order is Order.COMPONENT_INDEX else plan.task_id
    return members[np.argsort(by[members])], shares.values


def arriving_shares(topology: Topology, plan: Plan, rates: Flows) -> Floats:
    """Share of each stream's tuples that arrives in each container; (streams, C), rows sum to 1.

    Evenly routed streams by the number of reading instances there, GLOBAL at the lowest task id,
    keyed streams by the shares of their keys.
    """
    totals = np.maximum(plan.counts.sum(axis=1, keepdims=True), 1)
    even = plan.counts / totals
    found = np.zeros((len(topology.streams), plan.container_count))
    for i, stream in enumerate(topology.streams):
        arriving = _uneven_arrival(topology, plan, rates, i)
        if arriving is None:
            found[i] = even[topology.position[stream.target]]
        else:
            members, values = arriving
            found[i] = sum_by(plan.container[members], values, plan.container_count)
    return found


def lowest_task(plan: Plan, component: int) -> int | None:
    """Position of the instance of `component` with the lowest task id; None without instances."""
    members = (plan.component == component).nonzero()[0]
    return int(members[plan.task_id[members].argmin()]) if len(members) else None
