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

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from packing.arrays import TINY, Floats
from packing.model.placed import Placed, Values
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


ROUNDS = 100
"""Most rounds in which packets settle in a loop. Without loops one per component is enough."""

LEAST_SHARE = 1e-4
"""Shares smaller than this part of the largest one count as it."""


class Pace(NamedTuple):
    """What decides how often bolts flush, whatever the plan."""

    rates: Floats
    """Of all instances of a component together, at nominal load: tuples/s that they get or as
    spouts make, how many of their threads executing keeps busy, tuples/s that bolts emit, and how
    often the stream changes in what they emit; (4, components)."""
    packet_in_s: Floats
    """Time in which the gateway takes one packet over; (components,)."""


@dataclass(frozen=True)
class Packets:
    """Packets/s of one instance of each kind (`Placed.kinds`); (k,) each."""

    into: Floats
    out: Floats
    bursts: Floats
    """Drains/s that bring it anything, counted for each stream manager: what senders closed for
    each other since the last one arrives together."""
    closed: Floats
    """Sets/s for the mean instance of a component that senders of one container close for each
    other; (components, C)."""


class Forwarding:
    """The packets of one placement, at any load.

    From one stream manager an instance gets a packet per drain at most, no more than tuples, and
    no more than packets came in to be forwarded; and the sets that were closed between drains.
    """

    def __init__(self, placed: Placed, runtime: Runtime, pace: Pace) -> None:
        """Packets of `placed`, whose components have this `pace`."""
        s, kinds = placed.structure, placed.kinds
        self._placed = placed
        self._runtime = runtime
        self._tick_s = runtime.drain_period_s / 2
        self._spout = kinds.of_components(s.spout)
        self._sinks = kinds.of_components(s.sinks)
        self._packet_in_s = kinds.of_components(pace.packet_in_s)
        self._rates = kinds.of_components(pace.rates) * kinds.share
        """`Pace.rates` of one instance of each kind; (4, k)."""
        self._own = tuple(v for v in placed.own if s.adjacency[:, v].any())
        """Components whose instances send unequal amounts."""
        self._senders = _senders(placed, self._own)
        self._readers = _Readers(placed)
        writing = s.adjacency * (s.feeding > 0)
        several = (writing @ self._senders > 1 + 1e-9).astype(np.float64)
        self._turns = bool(several.any())
        """Whether anywhere two senders of one container write to the same reader."""
        self._several = self._readers.of_components(several)
        self._scratch = np.empty((2, *self._readers.flow.shape))
        """For what is computed in place: memory for arrays of all containers is slow to get."""
        self._to_each: Floats = self._readers.tuples / placed.totals
        """Tuples/s to a reader from the mean instance of each component; (readers, components)."""
        self._most_to_each: Floats = self._to_each.max(axis=0)

    def packets(self, factor: float, duty: float = 1.0) -> Packets:
        """Packets/s at `factor` times the nominal load; with `duty` clocks and spouts run less."""
        size, spout = len(self._senders), self._spout
        rates = self._rates * factor
        tuples, _, _, changes = rates
        drains = duty / self._runtime.drain_period_s
        rounds = np.minimum(tuples, self._runtime.spout_packets_per_s)
        from_spouts = np.maximum(rounds, changes) * duty
        # With full buffers a set is closed by its size, not by other senders.
        turns = self._turns and duty == 1.0
        limited = self._readers.flow * factor
        np.minimum(limited, drains, out=limited)
        # At first as if bolts flushed after every tuple; then what comes into one component decides
        # what the next one gets, from first to last.
        flushes = np.where(spout, rounds, np.inf)[:size]
        calm, runs = limited, self._runs(factor, flushes) if turns else ()
        for turn in range(ROUNDS):
            closed = self._closed(runs, flushes) if turns else None
            into, bursts = self._arriving(calm, closed)
            out = np.where(spout, from_spouts, self._leaving(rates, into, bursts))
            if turn == 0 and self._always_flush(out, factor):
                break
            before = calm, *runs
            calm = np.minimum(limited, self._forwarded(out))
            if turns:
                flushes = self._placed.kinds.means(np.where(spout, rounds, out))
                runs = self._runs(factor, flushes)
            if all(map(np.array_equal, before, (calm, *runs))):
                break
        if self._runtime.acking:
            into = np.where(spout, np.minimum(tuples, drains), into)
        if closed is None:
            closed = np.zeros_like(limited)
        return Packets(into, out, bursts, closed[:size])

    def _always_flush(self, out: Floats, factor: float) -> bool:
        """Whether all flush as often as they have a tuple for any one reader."""
        size = len(self._senders)
        return not self._own and bool((out[:size] >= self._most_to_each * factor).all())

    def _runs(self, factor: float, flushes: Floats) -> tuple[Floats, ...]:
        """Runs/s of tuples to a reader from one of its senders, which adds one each time that it
        flushes, if it has a tuple for this reader.

        From each component, (readers, components), and then for each of `_own` from one sender of
        each container, (readers, C).
        """
        runs = [np.minimum(self._to_each * factor, flushes)]
        for u in self._own:
            part = self._placed.sending[u] / np.maximum(self._senders[u], TINY)
            to_each = np.multiply.outer(self._readers.tuples[:, u] * factor, part)
            runs.append(np.minimum(to_each, flushes[u]))
        return tuple(runs)

    def _closed(self, runs: tuple[Floats, ...], flushes: Floats) -> Floats:
        """Sets/s for a reader that its senders in a container close for each other; (readers, C).

        Where the run after a sender's is another sender's, the set is closed. By chance that is so
        for all but the share sum(pi^2) of the runs, with pi the senders' shares in them; senders
        that take turns regularly close nearly every set.
        """
        each, *own = runs
        placed = self._placed
        spout = placed.structure.spout
        regular = np.where(spout, each / np.maximum(flushes, TINY), TURNS_OF_BOLTS)
        all_runs: Floats = each @ placed.alike
        followed, divisor = self._scratch
        np.matmul(each * each * (1.0 - regular), placed.alike, out=followed)
        for u, each in zip(self._own, own, strict=True):
            all_runs += each * self._senders[u]
            followed += each * each * self._senders[u] * (1.0 - TURNS_OF_BOLTS)
        followed /= np.maximum(all_runs, TINY, out=divisor)
        all_runs -= followed
        all_runs *= self._several
        return all_runs

    def _arriving(self, calm: Floats, closed: Floats | None) -> tuple[Floats, Floats]:
        """Packets/s and bursts/s into an instance of each kind; `calm` if no set were closed.

        An open set leaves only at a drain that finds no closed one (and found none before).
        """
        if closed is None:
            into = self._readers.of_kinds(calm.sum(axis=1))
            return into, into
        met, unmet = self._scratch
        np.multiply(closed, self._tick_s, out=met)
        np.minimum(met, 1.0, out=met)
        np.subtract(1.0, met, out=unmet)
        unmet *= calm
        rest = unmet.sum(axis=1)
        into = closed.sum(axis=1) + rest
        bursts = met.sum(axis=1) / self._tick_s + rest
        return self._readers.of_kinds(into), self._readers.of_kinds(bursts)

    def _leaving(self, rates: Floats, into: Floats, bursts: Floats) -> Floats:
        """Packets/s that leave a bolt of each kind for those that come in.

        A burst that takes longer to execute than to take over is one block. Otherwise the executor
        now and then has nothing left to do in the midst of it, and flushes.
        """
        tuples, executing, emitted, changes = rates
        if self._runtime.acking:
            return np.where(self._sinks, into, ACKED_PACKETS_PER_TUPLE * tuples)
        idle = 1.0 - (executing + TINY) / (into * self._packet_in_s + TINY)
        flushes = bursts + (into - bursts) * np.maximum(idle, 0.0) / (1.0 + WAKING_PACKETS)
        found: Floats = np.maximum(np.minimum(flushes, emitted), changes)
        return found

    def _forwarded(self, out: Floats) -> Floats:
        """Packets/s in each container that may have tuples for a reader; (readers, C)."""
        placed, s = self._placed, self._placed.structure
        size, width = self._senders.shape
        found: Floats = (s.adjacency * out[:size]) @ placed.alike
        for u in self._own:
            sent = placed.own[u].by_container(out[placed.kinds.at[u]], width)
            found += np.multiply.outer(s.adjacency[:, u], sent)
        return self._readers.of_components(found)


def _senders(placed: Placed, own: tuple[int, ...]) -> Floats:
    """Instances of each component that send from each container; (components, C).

    Where they send unequal amounts a_i, as many as (sum a)^2 / sum a^2: one where one sends all.
    """
    if not own:
        return placed.alike
    found = placed.alike.copy()
    width = found.shape[1]
    for u in own:
        of = placed.own[u]
        squares = of.by_container(of.share * of.share, width)
        found[u] = of.by_container(of.share, width) ** 2 / np.maximum(squares, TINY)
    return found


class _Readers:
    """Instances whose packets are computed: one of each kind; of a component with very many kinds
    fewer, between which the others lie. Rates at nominal load."""

    flow: Floats
    """Tuples/s from each container; (readers, C)."""
    tuples: Floats
    """Tuples/s from each component; (readers, components)."""

    def __init__(self, placed: Placed) -> None:
        """Readers of `placed`."""
        feeding = placed.structure.feeding
        self._own = placed.own
        self._size = len(placed.totals)
        if not placed.own:
            self.flow, self.tuples = placed.from_each, feeding / placed.totals[:, None]
            return
        self._shares = [_fewer(of.share) for of in placed.own.values()]
        numbers = [len(share) for share in self._shares]
        self._component = np.concatenate(
            (np.arange(self._size), np.repeat(list(placed.own), numbers))
        )
        share = np.concatenate((1.0 / placed.totals, *self._shares))[:, None]
        self.flow = placed.flow[self._component] * share
        self.tuples = feeding[self._component] * share

    def of_components(self, values: Values) -> Values:
        """Rows per component as rows per reader."""
        return values[self._component] if self._own else values

    def of_kinds(self, values: Floats) -> Floats:
        """Values per reader as values per kind."""
        if not self._own:
            return values
        found, start = [values[: self._size]], self._size
        for shares, of in zip(self._shares, self._own.values(), strict=True):
            end = start + len(shares)
            each = values[start:end]
            found.append(each if shares is of.share else np.interp(of.share, shares, each))
            start = end
        return np.concatenate(found)


def _fewer(share: Floats) -> Floats:
    """At most `KINDS` shares between which all of `share` lie."""
    if len(share) <= KINDS:
        return share
    return np.geomspace(max(share[0], LEAST_SHARE * share[-1]), share[-1], KINDS)
