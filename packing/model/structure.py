"""A topology with its load, prepared for predicting many plans of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from packing.arrays import Bools, Floats, Ints, sum_by
from packing.flows import Flows, flows, stream_key
from packing.priors import SERVICE_SCV
from packing.profile import Profile
from packing.topology import Grouping, Kind, Topology

TUPLE_OVERHEAD_BYTES = 120
"""Envelope of a tuple between stream managers: ids, roots, field headers (measured: 620 bytes for
a payload of 500, 218 for one of 100)."""
DEFAULT_TUPLE_BYTES = 100.0


@dataclass(frozen=True)
class Structure:
    """Component-level arrays, in the topology's order. Rates at nominal load, tuples/s.

    What follows from it and holds for every plan is computed once, when first asked for.
    """

    topology: Topology
    profile: Profile
    rates: Flows
    order: tuple[int, ...]
    """Components, sources first; loops in the order of the topology."""
    spout: Bools
    emits: Bools
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

    @cached_property
    def known_load(self) -> bool:
        """Whether the profile knows all rates and service times."""
        return self.profile.knows_load(self.topology)

    @cached_property
    def service_scv(self) -> Floats:
        """Squared coefficient of variation of the service time, per component."""
        stated = self.profile.service_scv
        return np.array([stated.get(name, SERVICE_SCV.value) for name in self.topology.names])

    @cached_property
    def sinks(self) -> Bools:
        """Per component: whether it is a bolt that emits nothing."""
        return ~self.emits & ~self.spout

    @cached_property
    def executed_per_s(self) -> Floats:
        """Tuples/s that a component's bolts execute; 0 for spouts."""
        return np.where(self.spout, 0.0, self.rates.input_per_s)

    @cached_property
    def stream_source(self) -> Ints:
        """`source` as an array."""
        return np.array(self.source, dtype=np.int64)

    @cached_property
    def stream_target(self) -> Ints:
        """`target` as an array."""
        return np.array(self.target, dtype=np.int64)

    @cached_property
    def routed(self) -> tuple[int, ...]:
        """Components whose instances do not get the same of a stream."""
        uneven = self.rates.uneven
        parallelism = [component.parallelism for component in self.topology.components]
        return tuple(
            sorted(
                {
                    v
                    for i, v in enumerate(self.target)
                    if (self.to_lowest[i] or i in uneven)
                    and self.rates.stream_per_s[i] > 0
                    and parallelism[v] > 1
                }
            )
        )

    @cached_property
    def keyed(self) -> frozenset[int]:
        """Components that read a stream whose keys make shares uneven."""
        return frozenset(self.target[i] for i in self.rates.uneven)

    @cached_property
    def lowest_part(self) -> Floats:
        """Share of a component's input that goes to its lowest task by GLOBAL; (components,)."""
        found: Floats = self.input_parts @ self.to_lowest
        return found

    @cached_property
    def leaving_weights(self) -> Floats:
        """What a component sends: rows as in `Placed.manager_flows_per_s`; (3, components)."""
        rate = self.rates.stream_per_s
        return self._summed(
            self.stream_source, np.stack([rate, np.zeros_like(rate), self._wire_bytes_per_s])
        )

    @cached_property
    def arriving_weights(self) -> Floats:
        """The same of a stream's tuples where they arrive; (3, streams)."""
        rate = self.rates.stream_per_s
        return np.stack([np.zeros_like(rate), rate, self._wire_bytes_per_s])

    @cached_property
    def staying_weights(self) -> Floats:
        """Part of both that is not there for tuples that stay in a container; (3, streams)."""
        rate = self.rates.stream_per_s
        return np.stack([np.zeros_like(rate), rate, 2 * self._wire_bytes_per_s])

    @cached_property
    def even_weights(self) -> Floats:
        """`leaving_weights` and `arriving_weights` together where all shares are even;
        (3, components)."""
        return self.leaving_weights + self._summed(self.stream_target, self.arriving_weights)

    @cached_property
    def _wire_bytes_per_s(self) -> Floats:
        return self.rates.stream_per_s * (self.stream_bytes + TUPLE_OVERHEAD_BYTES)

    def _summed(self, ends: Ints, by_stream: Floats) -> Floats:
        """Rows of figures per stream, summed by the component at one end."""
        return np.stack([sum_by(ends, row, len(self.spout)) for row in by_stream])

    @cached_property
    def feeding(self) -> Floats:
        """Tuples/s to v (row) from u (column); (components, components)."""
        return self._between(self.rates.stream_per_s)

    @cached_property
    def adjacency(self) -> Floats:
        """Number of streams to v (row) from u (column); (components, components)."""
        return self._between(np.ones(len(self.source)))

    @cached_property
    def output_parts(self) -> Floats:
        """Share of each reader (column) in what a component (row) sends; square."""
        total = self.feeding.sum(axis=0)[:, None]
        found: Floats = np.divide(
            self.feeding.T, total, out=np.zeros_like(self.feeding), where=total > 0
        )
        return found

    def _between(self, values: Floats) -> Floats:
        size = len(self.spout)
        found = np.zeros((size, size))
        np.add.at(found, (self.stream_target, self.stream_source), values)
        return found

    @cached_property
    def stream_changes_per_s(self) -> Floats:
        """How often the stream changes in what a component emits, one packet each; (components,).

        0 for one stream. Per input tuple a stream gets a group of tuples with the chance of its
        selectivity, at most 1; groups of the same stream that follow each other are one. Of `g`
        groups, the most frequent stream has `h`: then min(g, 2 (g - h)).
        """
        groups: dict[tuple[int, str], float] = {}
        for i, stream in enumerate(self.topology.streams):
            u = self.source[i]
            copies = 1
            if stream.grouping is Grouping.ALL:
                copies = self.topology.component(stream.target).parallelism
            emitted = float(self.rates.stream_per_s[i]) / copies
            groups[u, stream.stream_id] = min(emitted, float(self.rates.input_per_s[u]))
        found = np.zeros(len(self.spout))
        for u in range(len(found)):
            own = [rate for (source, _), rate in groups.items() if source == u]
            if len(own) > 1:
                found[u] = min(sum(own), 2.0 * (sum(own) - max(own)))
        return found

    @cached_property
    def sink_weights(self) -> Floats:
        """Share of each sink in the tuples that reach sinks; of all bolts where there is no sink.

        Zeros when nothing flows.
        """
        weights = np.where(self.sinks, self.rates.input_per_s, 0.0)
        if weights.sum() <= 0:
            weights = np.where(~self.spout, self.rates.input_per_s, 0.0)
        total = weights.sum()
        return np.asarray(weights / total if total > 0 else weights, dtype=np.float64)

    @cached_property
    def input_parts(self) -> Floats:
        """Share of each stream in its reader's input; (components, streams)."""
        found = np.zeros((len(self.spout), len(self.source)))
        rate = self.rates.stream_per_s
        total = sum_by(self.stream_target, rate, len(self.spout))[self.stream_target]
        parts = np.divide(rate, total, out=np.zeros_like(rate), where=total > 0)
        found[self.stream_target, np.arange(len(self.source))] = parts
        return found

    @cached_property
    def passages(self) -> Floats:
        """How often a tuple's way to v (row) led over a stream, on average; (components, streams).

        Looking back from a tuple at v: it came over one of v's streams, from its sender, that came
        over one of the sender's, and so on to a spout; in a loop more than once.
        """
        size = len(self.spout)
        back = np.zeros((size, size))
        np.add.at(back.T, self.stream_source, self.input_parts.T)
        return np.asarray(np.linalg.solve(np.eye(size) - back, self.input_parts), np.float64)

    @cached_property
    def sender_passages(self) -> Floats:
        """How often a tuple's way to v (row) led through u (column); (components, components)."""
        size = len(self.spout)
        found = np.zeros((size, size))
        np.add.at(found.T, self.stream_source, self.passages.T)
        return found

    @cached_property
    def sink_passages(self) -> Floats:
        """`sender_passages` on the way to the mean sink; (components,)."""
        return self.sink_weights @ self.sender_passages

    @cached_property
    def local_parts(self) -> Floats:
        """Times the streams' local tuples/s: share of a component's input that came from its own
        container; (components, streams)."""
        rate = self.rates.stream_per_s
        return self.input_parts * np.divide(1.0, rate, out=np.zeros(len(rate)), where=rate > 0)

    @cached_property
    def sink_local_parts(self) -> Floats:
        """The same for the mean sink and tuples that come straight from a spout; (streams,)."""
        return (self.sink_weights @ self.local_parts) * self.spout[self.stream_source]

    @cached_property
    def traffic_per_s(self) -> float:
        """Tuples/s on all streams."""
        return float(self.rates.stream_per_s.sum())

    @cached_property
    def sink_per_s(self) -> float:
        """Tuples/s that sinks execute."""
        return float(self.rates.input_per_s[self.sinks].sum())

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """What others derived from this and settings of theirs, kept for as long as this lives."""
        return {}


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
