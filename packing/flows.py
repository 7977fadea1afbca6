"""Tuple rates of components, streams and instances.

Per stream the flow between instances i and j is of rank one: `rate * source_share[i] *
routing_share[j]`. So a plan needs no graph of instances: per component one vector of shares,
summed over each container, gives every container-to-container flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np

from packing.arrays import Floats, sum_by
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.profile import ASSUMED_RATE_PER_S, Profile
from packing.profile import stream_key as stream_key  # part of this module too
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


def flows(topology: Topology, profile: Profile) -> Flows:
    """Propagate the spouts' rates along the streams.

    Solves `x = s + G x`, with G[v, u] the tuples that v receives per input tuple of u, which for a
    DAG is propagation in topological order and for loops their geometric sum. Raises
    InvalidRequest when a loop amplifies itself (spectral radius of G not below 1), or when rates
    grow beyond what can be computed with.
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
    gain_matrix = np.zeros((size, size))
    np.add.at(gain_matrix, (targets, sources), gains)
    _refuse_divergence(topology, gain_matrix)
    inputs = np.asarray(np.linalg.solve(np.eye(size) - gain_matrix, spouts), dtype=np.float64)
    streams = inputs[sources] * gains if len(gains) else np.zeros(0)
    _refuse_overflow(topology, inputs, streams)
    return Flows(inputs, streams)


def _refuse_overflow(topology: Topology, inputs: Floats, streams: Floats) -> None:
    for things, rates in ((topology.names, inputs), (topology.streams, streams)):
        beyond = ~(rates <= MAX_RATE_PER_S)  # also true for what is not a number
        if bool(np.any(beyond)):
            first = int(np.argmax(beyond))
            raise InvalidRequest(
                f"{things[first]} would carry {rates[first]:g} tuples/s; lower the rates or "
                "selectivities that lead to it"
            )


def _gain(stream: Stream, topology: Topology, profile: Profile) -> float:
    """Tuples delivered on `stream` per input tuple of its source."""
    copies = topology.component(stream.target).parallelism if stream.grouping is Grouping.ALL else 1
    return profile.selectivity.get(stream_key(stream), 1.0) * copies


def _refuse_divergence(topology: Topology, gain_matrix: Floats) -> None:
    sources: dict[str, set[str]] = {}
    targets: dict[str, set[str]] = {}
    for stream in topology.streams:
        sources.setdefault(stream.target, set()).add(stream.source)
        targets.setdefault(stream.source, set()).add(stream.target)
    while True:
        try:
            TopologicalSorter(sources).prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
        else:
            return
        # Everything that is both upstream and downstream of one component loops together.
        loop = _reachable(cycle[0], sources) & _reachable(cycle[0], targets)
        members = [topology.position[name] for name in loop]
        gains = gain_matrix[np.ix_(members, members)]
        if not (np.isfinite(gains).all() and max(abs(np.linalg.eigvals(gains))) < 1.0 - 1e-9):
            raise InvalidRequest(
                f"the streams form a cycle, {' -> '.join(cycle)}, in which tuples multiply "
                "without end; break the cycle, or state selectivities below 1 along it in a "
                "profile"
            )
        for name in loop:
            sources[name] -= loop


def _reachable(start: str, following: Mapping[str, set[str]]) -> set[str]:
    found = {start}
    left = [start]
    while left:
        new = following.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def instance_shares(topology: Topology, plan: Plan, rates: Flows) -> Floats:
    """Share of its component's input that each instance of `plan` handles; sums to 1 each.

    Shuffle, none and unskewed fields split evenly; ALL gives every instance the same; GLOBAL gives
    everything to the lowest task id; DIRECT and CUSTOM are taken as even until measured.
    """
    totals = np.bincount(plan.component, minlength=len(plan.components))
    even = 1.0 / np.maximum(totals, 1)[plan.component]
    to_lowest = np.zeros(len(topology.components))
    received = np.zeros(len(topology.components))
    for rate, stream in zip(rates.stream_per_s, topology.streams, strict=True):
        target = topology.position[stream.target]
        received[target] += rate
        if stream.grouping is Grouping.GLOBAL:
            to_lowest[target] += rate
    if not to_lowest.any():
        return even
    lowest = np.divide(to_lowest, received, out=np.zeros_like(received), where=received > 0)
    shares = even * (1.0 - lowest[plan.component])
    for component in np.flatnonzero(lowest):
        members = np.flatnonzero(plan.component == component)
        if len(members):
            shares[members[np.argmin(plan.task_id[members])]] += lowest[component]
    return shares


def routing_shares(topology: Topology, plan: Plan, shares: Floats) -> tuple[Floats, Floats]:
    """Shares summed per component and container, shape (components, C) both.

    First: share of a component's output that leaves from a container (output follows input).
    Second: share of an evenly routed stream that arrives there. The two differ only for components
    that read a GLOBAL stream.
    """
    width = plan.container_count
    size = len(topology.components)
    cell = plan.component * width + plan.container
    sending = sum_by(cell, shares, size * width).reshape(size, width)
    totals = np.maximum(plan.counts.sum(axis=1, keepdims=True), 1)
    return sending, plan.counts / totals


def lowest_task_container(plan: Plan, component: int) -> int | None:
    """Position of the container with the lowest task id of `component`; None without instances."""
    members = np.flatnonzero(plan.component == component)
    if not len(members):
        return None
    return int(plan.container[members[np.argmin(plan.task_id[members])]])
