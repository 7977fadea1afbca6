"""How many packets carry a topology's tuples.

A stream manager gathers the tuples for one destination and sends them together, so packets follow
its drain clock and not the tuples' rate. What leaves a bolt follows what it receives: a packet is
executed as a block and the outputs of the block leave together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, Ints
from packing.model.runtime import Runtime

DUTY_IN_BACK_PRESSURE = 0.35
"""Share of the packets that are left when back-pressure switches the spouts off and on: buffers
are then full, and a packet carries what piled up."""

ACKED_PACKETS_PER_TUPLE = 1.85
"""A bolt that emits and acknowledges flushes data with acks and acks with data."""


@dataclass(frozen=True)
class Feed:
    """One stream as packets see it: who sends how much to each instance of whom."""

    source: int
    target: int
    rate_per_s: float
    """Tuples/s over all readers."""


def packet_rates(  # noqa: PLR0917 - arrays of one computation
    order: Sequence[int],
    feeds: Sequence[Feed],
    spouts: Sequence[bool],
    emitting: Sequence[bool],
    input_per_s: Floats,
    sending: Floats,
    routing: Floats,
    component: Ints,
    counts: Ints,
    runtime: Runtime,
    duty: float = 1.0,
) -> tuple[Floats, Floats]:
    """Packets/s into and out of each instance, both shape (n,).

    `order` is topological; `sending` (components, C) the share of a component's output that leaves
    each container; `routing` (n,) the share of its component's input of each instance; `counts`
    (components, C). From one stream manager an instance gets a packet per drain at most, no more
    than tuples, and no more than packets came in to be forwarded.
    """
    drains = duty / runtime.drain_period_s
    into = np.zeros(len(component))
    out = np.zeros(len(component))
    leaving = np.zeros_like(sending)
    parallelism = counts.sum(axis=1)
    for v in order:
        members = component == v
        if spouts[v]:
            rate = input_per_s[v] / parallelism[v]
            packets = min(rate, runtime.spout_packets_per_s) * duty
            out[members] = packets
            leaving[v] = counts[v] * packets
            if runtime.acking:
                into[members] = min(rate, drains)
            continue
        flow = np.zeros(sending.shape[1])
        fed = np.zeros(sending.shape[1])
        for feed in feeds:
            if feed.target == v:
                flow += feed.rate_per_s * sending[feed.source]
                fed += leaving[feed.source]
        share = routing[members]
        ceiling = np.minimum(drains, fed)
        if share.max(initial=0.0) - share.min(initial=0.0) < 1e-12:
            received = np.minimum(flow * (share[0] if len(share) else 0.0), ceiling).sum()
        else:
            received = np.minimum(flow * share[:, None], ceiling).sum(axis=1)
        into[members] = received
        if emitting[v]:
            tuples = input_per_s[v] * share
            sent = ACKED_PACKETS_PER_TUPLE * tuples if runtime.acking else into[members]
            out[members] = np.minimum(sent, 2.0 * tuples)
            leaving[v] = np.bincount(_positions(counts, v), out[members], minlength=counts.shape[1])
        elif runtime.acking:
            out[members] = into[members]
    return into, out


def _positions(counts: Ints, v: int) -> Ints:
    """Container of each instance of v; instances are ordered by container."""
    return np.repeat(np.arange(counts.shape[1]), counts[v])
