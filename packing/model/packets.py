"""How many packets carry a topology's tuples.

A stream manager gathers the tuples for one destination and sends them together, so packets follow
its drain clock and not the tuples' rate. What leaves a bolt follows what it receives: a packet is
executed as a block and the outputs of the block leave together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from packing.arrays import Floats
from packing.model.placed import Own, Placed
from packing.model.runtime import Runtime

DUTY_IN_BACK_PRESSURE = 0.35
"""Share of the packets that are left when back-pressure switches the spouts off and on: buffers
are then full, and a packet carries what piled up."""

ACKED_PACKETS_PER_TUPLE = 1.85
"""A bolt that emits and acknowledges flushes data with acks and acks with data."""

SMALL = 4096
"""Shares times containers up to which a table of them is quicker than sorting."""


@dataclass(frozen=True)
class Packets:
    """Packets/s of one instance."""

    into: Floats
    """Into each instance of a component whose instances get the same; (components,)."""
    out: Floats
    own: Mapping[int, tuple[Floats, Floats]] = field(default_factory=dict)
    """Component -> into and out of its instances by share (`Own.share`), where shares differ."""


def packet_rates(placed: Placed, runtime: Runtime, factor: float, duty: float = 1.0) -> Packets:
    """Packets/s at `factor` times the nominal load; with `duty` clocks and spouts run less.

    From one stream manager an instance gets a packet per drain at most, no more than tuples, and
    no more than packets came in to be forwarded.
    """
    s = placed.structure
    drains = duty / runtime.drain_period_s
    rule = _Forwarding(placed, runtime, factor, duty)
    limited = np.minimum(placed.from_each * factor, drains)
    own = {v: _own_into(of, placed.flow[v] * factor, drains) for v, of in placed.own.items()}
    found = rule.forwarded(limited.sum(axis=1), own)
    if not (s.feeds & (found.out < drains)).any() and not any(s.feeds[v] for v in own):
        # Every sender forwards at least at the pace of the clock: the clock alone limits.
        return found
    for v in own:
        limited[v] = 0.0
    # Fewer packets came in than the clock would send; that goes down the topology, at most from
    # its first component to its last.
    for _ in range(len(s.spout)):
        fed = s.adjacency @ _leaving(placed, found)
        into = np.minimum(limited, fed).sum(axis=1)
        own = {
            v: _own_into(of, placed.flow[v] * factor, np.minimum(drains, fed[v]))
            for v, of in placed.own.items()
        }
        before = found
        found = rule.forwarded(into, own)
        if not _fewer(found.into, before.into) and not any(
            _fewer(own[v], before.own[v][0]) for v in own
        ):
            break
    return found


def _fewer(now: Floats, before: Floats) -> bool:
    """Whether any got less than before, by more than rounding."""
    return bool((now < before * (1 - 1e-12)).any())


class _Forwarding:
    """What instances send for what they receive, at one load."""

    def __init__(self, placed: Placed, runtime: Runtime, factor: float, duty: float) -> None:
        self._placed = placed
        self._acking = runtime.acking
        self._factor = factor
        s = placed.structure
        tuples = placed.input_each * factor
        self._spouts_into = np.minimum(tuples, duty / runtime.drain_period_s)
        self._spouts_out = np.minimum(tuples, runtime.spout_packets_per_s) * duty
        # Two packets a tuple are the most that a bolt sends; one that emits nothing sends acks.
        acked = ACKED_PACKETS_PER_TUPLE * tuples if runtime.acking else 2.0 * tuples
        self._most_out = np.where(s.emits, acked, np.inf if runtime.acking else 0.0)

    def forwarded(self, into: Floats, own_into: Mapping[int, Floats]) -> Packets:
        """Packets/s with what comes in: (components,), and per share in `own_into`."""
        s = self._placed.structure
        if self._acking:
            sent = np.where(s.emits, self._most_out, into)
            into = np.where(s.spout, self._spouts_into, into)
        else:
            sent = np.minimum(into, self._most_out)
        own = {}
        for v, received in own_into.items():
            each = self._placed.own[v].share * (s.rates.input_per_s[v] * self._factor)
            if self._acking:
                own[v] = received, ACKED_PACKETS_PER_TUPLE * each if s.emits[v] else received
            else:
                own[v] = received, np.minimum(received, 2.0 * each if s.emits[v] else 0.0)
        return Packets(into, np.where(s.spout, self._spouts_out, sent), own)


def _leaving(placed: Placed, packets: Packets) -> Floats:
    """Packets/s that each component's instances send in each container; (components, C)."""
    leaving = placed.counts * packets.out[:, None]
    for v, (_, out) in packets.own.items():
        leaving[v] = placed.own[v].by_container(out, leaving.shape[1])
    return leaving


def _own_into(of: Own, flow: Floats, ceiling: Floats | float) -> Floats:
    """Packets/s into an instance of each share of a component; (shares,).

    For each the sum over containers of min(flow * share, ceiling). Where these are many: sorted by
    the share at which a container meets its ceiling, everything before it is at the ceiling and
    everything after not.
    """
    sending = flow.nonzero()[0]
    flow = flow[sending]
    ceiling = np.full(len(flow), ceiling) if isinstance(ceiling, float) else ceiling[sending]
    if len(of.share) * len(flow) <= SMALL:
        each: Floats = np.minimum(np.multiply.outer(of.share, flow), ceiling).sum(axis=1)
        return each
    at = ceiling / flow
    order = at.argsort(kind="stable")
    capped = np.concatenate(([0.0], ceiling[order].cumsum()))
    free = np.concatenate(([0.0], flow[order][::-1].cumsum()))[::-1]
    reached = at[order].searchsorted(of.share, side="left")
    found: Floats = capped[reached] + free[reached] * of.share
    return found
