"""A topology with its load, prepared for predicting many plans of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

import numpy as np

from packing.arrays import Bools, Floats
from packing.flows import Flows, flows, stream_key
from packing.model.packets import Feed
from packing.profile import Profile
from packing.topology import Grouping, Kind, Topology

TUPLE_OVERHEAD_BYTES = 120
"""Envelope of a tuple between stream managers: ids, roots, field headers (measured: 620 bytes for
a payload of 500, 218 for one of 100)."""
DEFAULT_TUPLE_BYTES = 100.0


@dataclass(frozen=True)
class Structure:
    """Component-level arrays, in the topology's order. Rates at nominal load, tuples/s."""

    topology: Topology
    profile: Profile
    rates: Flows
    order: tuple[int, ...]
    """Components, sources first; loops in the order of the topology."""
    spout: Bools
    emits: Bools
    feeds: tuple[Feed, ...]
    emit_per_s: Floats
    """Tuples emitted per component: a stream with two readers is emitted once."""
    read_bytes_per_s: Floats
    emit_bytes_per_s: Floats
    cpu_s: Floats
    """User CPU per input tuple; 0 where unknown."""
    wait_s: Floats
    source: tuple[int, ...]
    target: tuple[int, ...]
    to_lowest: Bools
    """Per stream: GLOBAL grouping."""
    stream_bytes: Floats
    """Payload bytes of a tuple, per stream."""

    def feeds_at(self, factor: float) -> tuple[Feed, ...]:
        """Streams at `factor` times the nominal load."""
        if factor == 1.0:
            return self.feeds
        return tuple(replace(feed, rate_per_s=feed.rate_per_s * factor) for feed in self.feeds)


def structure(topology: Topology, profile: Profile) -> Structure:
    """Prepare `topology` at its parallelism. Raises InvalidRequest as `flows` does."""
    rates = flows(topology, profile)
    names = topology.names
    size = len(names)
    source = tuple(topology.position[s.source] for s in topology.streams)
    target = tuple(topology.position[s.target] for s in topology.streams)
    sizes = np.array(
        [profile.tuple_bytes.get(stream_key(s), DEFAULT_TUPLE_BYTES) for s in topology.streams]
    )
    emit = np.zeros(size)
    emit_bytes = np.zeros(size)
    read_bytes = np.zeros(size)
    emitted: set[tuple[str, str]] = set()
    for i, stream in enumerate(topology.streams):
        rate = float(rates.stream_per_s[i])
        read_bytes[target[i]] += rate * sizes[i]
        copies = (
            topology.component(stream.target).parallelism if stream.grouping is Grouping.ALL else 1
        )
        if (stream.source, stream.stream_id) not in emitted:
            emitted.add((stream.source, stream.stream_id))
            emit[source[i]] += rate / copies
            emit_bytes[source[i]] += rate / copies * sizes[i]
    spout = np.array([c.kind is Kind.SPOUT for c in topology.components])
    return Structure(
        topology=topology,
        profile=profile,
        rates=rates,
        order=_order(topology),
        spout=spout,
        emits=emit > 0,
        feeds=tuple(
            Feed(source[i], target[i], float(rates.stream_per_s[i])) for i in range(len(source))
        ),
        emit_per_s=emit,
        read_bytes_per_s=read_bytes,
        emit_bytes_per_s=emit_bytes,
        cpu_s=np.array([profile.service_s.get(name, 0.0) for name in names]),
        wait_s=np.array([profile.wait_s.get(name, 0.0) for name in names]),
        source=source,
        target=target,
        to_lowest=np.array([s.grouping is Grouping.GLOBAL for s in topology.streams], dtype=bool),
        stream_bytes=sizes,
    )


def _order(topology: Topology) -> tuple[int, ...]:
    sources: dict[str, set[str]] = {name: set() for name in topology.names}
    for stream in topology.streams:
        if stream.source != stream.target:
            sources[stream.target].add(stream.source)
    try:
        names = tuple(TopologicalSorter(sources).static_order())
    except CycleError:
        names = topology.names
    return tuple(topology.position[name] for name in names)
