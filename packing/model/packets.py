"""How many packets carry a topology's tuples.

A stream manager gathers the tuples for one destination in tuple sets and sends those on its clock,
so packets follow the clock and not the tuples' rate as long as one sender writes. Where senders
take turns, each closes the set of the one before it, and every closed set is a packet of its own
(`TupleCache::TupleList::add_data_tuple` and `drain` in tuple-cache.cpp).

What leaves a bolt follows what it receives: what waits in its queue is executed as a block and the
outputs of the block leave together, with a new packet wherever the stream changes
(OutgoingTupleCollection.java).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from packing.arrays import Bools, Floats
from packing.model.placed import Placed
from packing.model.runtime import Runtime

DUTY_IN_BACK_PRESSURE = 0.35
"""Share of the packets that are left when back-pressure switches the spouts off and on: buffers
are then full, and a packet carries what piled up."""

ACKED_PACKETS_PER_TUPLE = 1.85
"""A bolt that emits and acknowledges flushes data with acks and acks with data."""

TURNS_OF_BOLTS = 0.5
"""How regularly bolts of a container take turns, from 0 (by chance) to 1 (one after the other):
they start together, at a drain, and end at different times."""

WAKING_PACKETS = 1.0
"""Packets that come in while an executor that had nothing to do wakes up."""

KINDS = 24
"""Different shares of a component's input for which packets are computed; between them they are
interpolated."""


LEAST_SHARE = 1e-4
"""Shares smaller than this part of the largest one count as it."""


class Pace(NamedTuple):
    """What decides whether packets pile up in front of an executor; (components,) each."""

    service_s: Floats
    """Of a tuple."""
    packet_in_s: Floats
    """Time in which the gateway takes one packet over."""


class OfShares(NamedTuple):
    """Packets/s of instances by their share of the input (`Own.share`); (shares,) each."""

    into: Floats
    out: Floats
    bursts: Floats


@dataclass(frozen=True)
class Packets:
    """Packets/s of one instance."""

    into: Floats
    """Into each instance of a component whose instances get the same; (components,)."""
    out: Floats
    bursts: Floats
    """Drains/s that bring it anything, counted for each stream manager: what senders closed for
    each other since the last one arrives together; (components,)."""
    closed: Floats
    """Sets/s for it that senders of one container close for each other; (components, C)."""
    own: Mapping[int, OfShares] = field(default_factory=dict)
    """Component -> its instances, where they get different shares."""


def packet_rates(
    placed: Placed, runtime: Runtime, pace: Pace, factor: float, duty: float = 1.0
) -> Packets:
    """Packets/s at `factor` times the nominal load; with `duty` clocks and spouts run less.

    From one stream manager an instance gets a packet per drain at most, no more than tuples, and
    no more than packets came in to be forwarded; and the sets that were closed between drains.
    """
    s = placed.structure
    rule = _Forwarding(placed, runtime, pace, factor, duty)
    flow = placed.from_each * factor
    unlimited = {v: rule.arriving_at(v, None, None) for v in placed.own}
    into = np.minimum(flow, rule.drains).sum(axis=1)
    closed = np.zeros_like(flow)
    found = rule.forwarded(into, into, closed, unlimited)
    at_pace = not (s.feeds & (found.out < rule.drains)).any()
    if at_pace and not rule.turns and not any(s.feeds[v] for v in placed.own):
        # Every sender forwards at least at the pace of the clock: the clock alone limits.
        return found
    # What comes into one component decides what the next one gets: at most from first to last.
    limited = np.minimum(flow, rule.drains)
    for v in placed.own:
        limited[v] = 0.0
    for _ in range(len(s.spout)):
        fed = s.adjacency @ _leaving(placed, found)
        calm = np.minimum(limited, fed)
        closed = rule.closed(found) if rule.turns else closed
        into, bursts = rule.arriving(calm, closed)
        own = {v: rule.arriving_at(v, fed[v], found) for v in placed.own}
        before = found
        found = rule.forwarded(into, bursts, closed, own)
        if _same(found, before):
            break
    return found


def _same(now: Packets, before: Packets) -> bool:
    """Whether nothing changed by more than rounding."""
    return bool(np.allclose(now.into, before.into, rtol=1e-12, atol=0.0)) and all(
        np.allclose(now.own[v].into, before.own[v].into, rtol=1e-12, atol=0.0) for v in now.own
    )


class _Forwarding:
    """What instances get and send, at one load."""

    def __init__(
        self, placed: Placed, runtime: Runtime, pace: Pace, factor: float, duty: float
    ) -> None:
        self._placed = placed
        self._acking = runtime.acking
        self._pace = pace
        self._factor = factor
        self._tick_s = runtime.drain_period_s / 2
        self.drains = duty / runtime.drain_period_s
        s = placed.structure
        tuples = placed.input_each * factor
        self._tuples = tuples
        self._emitted = s.emit_per_s / placed.totals * factor
        self._changes = s.stream_changes_per_s / placed.totals * factor
        self._spouts_into = np.minimum(tuples, self.drains)
        rounds = np.minimum(tuples, runtime.spout_packets_per_s)
        self._rounds = rounds
        self._spouts_out = np.maximum(rounds, self._changes) * duty
        self._senders, self._several = np.zeros((1, 1)), np.zeros((1, 1), dtype=bool)
        # With full buffers a set is closed by its size, not by other senders.
        if duty == 1.0:
            self._senders = _senders(placed)
            self._several = s.adjacency @ self._senders > 1 + 1e-9
        self.turns = bool(self._several.any())
        """Whether anywhere two senders of one container write to the same reader."""

    def closed(self, packets: Packets) -> Floats:
        """Sets/s for one instance that its senders in a container close for each other; (n, C)."""
        placed = self._placed
        to_each = placed.structure.feeding * (self._factor / placed.totals[:, None])
        return self._closed(to_each, packets, self._several)

    def _closed(self, to_each: Floats, packets: Packets, several: Bools) -> Floats:
        """The same for readers (rows) that get `to_each` tuples/s from each component (columns).

        A sender adds a run of tuples each time it flushes, if it has one for this reader. Where
        the run after it is another sender's, the set is closed. By chance that is so for all but
        the share sum(pi^2) of the runs, with pi the senders' shares in them; senders that take
        turns regularly close nearly every set.
        """
        placed = self._placed
        spout = placed.structure.spout
        flushes = np.where(spout, self._rounds, packets.out)
        runs = np.minimum(to_each / placed.totals, flushes)
        if placed.own:
            runs[:, list(placed.own)] = 0.0
        regular = np.where(spout, runs / np.maximum(flushes, 1e-300), TURNS_OF_BOLTS)
        all_runs = runs @ placed.counts
        followed = (runs * runs * (1.0 - regular)) @ placed.counts
        for u, at in packets.own.items():
            senders = np.maximum(self._senders[u], 1e-300)
            flush = placed.own[u].weight @ at.out
            own = np.minimum(np.multiply.outer(to_each[:, u], placed.sending[u] / senders), flush)
            all_runs += own * senders
            followed += own * own * senders * (1.0 - TURNS_OF_BOLTS)
        found: Floats = np.where(several, all_runs - followed / np.maximum(all_runs, 1e-300), 0.0)
        return found

    def arriving(self, calm: Floats, closed: Floats) -> tuple[Floats, Floats]:
        """Packets/s and bursts/s into an instance; `calm` if no sender closed another's set.

        An open set leaves only at a drain that finds no closed one (and found none before).
        """
        if not self.turns:
            into = calm.sum(axis=1)
            return into, into
        met = np.minimum(closed * self._tick_s, 1.0)
        rest = (calm * (1.0 - met)).sum(axis=1)
        return closed.sum(axis=1) + rest, met.sum(axis=1) / self._tick_s + rest

    def arriving_at(self, v: int, fed: Floats | None, sent: Packets | None) -> OfShares:
        """The same into instances of v by share; `fed` packets/s come to be forwarded."""
        of = self._placed.own[v]
        flow = self._placed.flow[v] * self._factor
        shares = of.share
        if len(shares) > KINDS:
            shares = np.geomspace(max(shares[0], LEAST_SHARE * shares[-1]), shares[-1], KINDS)
        ceiling = self.drains if fed is None else np.minimum(self.drains, fed)
        calm = np.minimum(np.multiply.outer(shares, flow), ceiling)
        closed = np.zeros_like(calm)
        if sent is not None and self.turns and self._several[v].any():
            fed_by = self._placed.structure.feeding[v] * self._factor
            closed = self._closed(np.multiply.outer(shares, fed_by), sent, self._several[v])
        into, bursts = self.arriving(calm, closed)
        if len(shares) < len(of.share):
            into, bursts = (np.interp(of.share, shares, each) for each in (into, bursts))
        return OfShares(into, np.zeros_like(into), bursts)

    def forwarded(
        self, into: Floats, bursts: Floats, closed: Floats, own: Mapping[int, OfShares]
    ) -> Packets:
        """What is sent for what comes in."""
        s = self._placed.structure
        out = self._sent(into, bursts, self._tuples, self._emitted, self._pace)
        out = np.maximum(out, self._changes)
        if self._acking:
            acked = ACKED_PACKETS_PER_TUPLE * self._tuples
            out = np.where(s.emits, acked, into)
            into = np.where(s.spout, self._spouts_into, into)
        found = {}
        for v, at in own.items():
            rate = s.rates.input_per_s[v] * self._factor
            tuples = self._placed.own[v].share * rate
            per_tuple = s.emit_per_s[v] * self._factor / rate if rate > 0 else 0.0
            if self._acking:
                sent = ACKED_PACKETS_PER_TUPLE * tuples if s.emits[v] else at.into
            else:
                pace = Pace(self._pace.service_s[v], self._pace.packet_in_s[v])
                sent = self._sent(at.into, at.bursts, tuples, per_tuple * tuples, pace)
                changes = s.stream_changes_per_s[v] * self._factor
                sent = np.maximum(sent, changes * self._placed.own[v].share)
            found[v] = at._replace(out=sent)
        return Packets(into, np.where(s.spout, self._spouts_out, out), bursts, closed, found)

    def _sent(
        self, into: Floats, bursts: Floats, tuples: Floats, emitted: Floats, pace: Pace
    ) -> Floats:
        """Packets/s that leave a bolt which acknowledges nothing and writes to one stream.

        A burst that takes longer to execute than to take over is one block. Otherwise the executor
        now and then has nothing left to do in the midst of it, and flushes.
        """
        handing_s = into * pace.packet_in_s
        with np.errstate(divide="ignore", invalid="ignore"):
            idle = 1.0 - tuples * pace.service_s / handing_s
        idle = np.where(handing_s > 0, np.maximum(idle, 0.0), 0.0)
        flushes = bursts + (into - bursts) * idle / (1.0 + WAKING_PACKETS)
        found: Floats = np.minimum(flushes, emitted)
        return found


def _senders(placed: Placed) -> Floats:
    """Instances of each component that send from each container; (components, C).

    Where they send unequal amounts a_i, as many as (sum a)^2 / sum a^2: one where one sends all.
    """
    found = placed.counts.astype(np.float64)
    width = found.shape[1]
    for u, of in placed.own.items():
        squares = of.by_container(of.share * of.share, width)
        found[u] = of.by_container(of.share, width) ** 2 / np.maximum(squares, 1e-300)
    return found


def _leaving(placed: Placed, packets: Packets) -> Floats:
    """Packets/s that each component's instances send in each container; (components, C)."""
    leaving = placed.counts * packets.out[:, None]
    for v, at in packets.own.items():
        leaving[v] = placed.own[v].by_container(at.out, leaving.shape[1])
    return leaving
