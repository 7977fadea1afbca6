"""How long tuples take from emission to the end of their execution.

Per hop a tuple waits for the drain clock of its sender's stream manager and passes two sockets.
Between hops it waits in blocks: a packet is executed from first tuple to last, and the outputs
leave when the block is done. Blocks of several senders queue. Under a CPU quota a container stands
still when its budget of the period is used up.

Measured on a real Heron: one hop 15.0 ms, two hops over two containers 31.0, inside one container
39.1, where both queues are drained by one timer and the second hop waits a whole period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, sum_by
from packing.model.demand import Demand, Placed
from packing.model.runtime import Runtime

QUOTA_STALL_S = 0.010
"""Mean stall of a tuple in a container that uses its whole quota, falling with the fourth power of
utilisation: 10 ms of the 100 ms period."""
BUFFERS_IN_BACK_PRESSURE = 8.0
"""Bytes queued in the whole topology under back-pressure, in units of the mean water mark: the
buffers of one path, sender to sink, are full together."""
TAIL_SDS = 1.75
"""99th percentile of a sum of one to three uniform waits, in standard deviations above the mean."""
STALL_SKEW = 0.7
"""Few tuples meet a stall, and long ones: the median lies below the mean by this share of it."""
MAX_UTILISATION = 0.98
"""Queueing formulas diverge at 1; beyond this back-pressure takes over."""


@dataclass(frozen=True)
class Latency:
    """Seconds from emission to the end of execution."""

    mean_s: float
    """Over all sinks, weighted by their tuples."""
    complete_s: float | None
    """Emission to acknowledgement at the spout; None without acking."""
    p50_s: float
    p99_s: float
    arrival_s: Floats
    """Per component: mean from emission to the start of execution."""
    parts_s: dict[str, float]
    """What makes up the mean at the sinks: drain, sockets, blocks, queueing, service, stalls,
    buffers."""


PARTS = ("drain", "sockets", "blocks", "queueing", "service", "stalls", "buffers")


def latency(  # noqa: PLR0915, PLR0917 - one pass over the streams
    placed: Placed,
    needs: Demand,
    runtime: Runtime,
    quota: Floats,
    load_factor: float,
    sustainable: float,
) -> Latency:
    """Latency at `load_factor` of the nominal load; `sustainable` as in `saturation`.

    Component means are propagated in topological order: instances of a component are pooled,
    weighted by their share of the tuples.
    """  # fmt: skip
    s, plan = placed.structure, placed.plan
    size = len(s.topology.components)
    period_s = runtime.drain_period_s
    block_s, queue_s, service_s = _at_instances(placed, needs, load_factor, period_s)
    stall_s = _stalls(placed, needs, runtime, quota, load_factor)
    block = sum_by(plan.component, block_s * placed.share, size)
    queue = sum_by(plan.component, queue_s * placed.share, size)
    service = sum_by(plan.component, service_s * placed.share, size)
    stall = sum_by(plan.component, stall_s * placed.share, size)

    parts = np.zeros((size, len(PARTS)))
    variance = np.zeros(size)
    local_input = np.zeros(size)
    for v in s.order:
        if s.spout[v]:
            continue
        weight = 0.0
        total = np.zeros(len(PARTS))
        spread = 0.0
        local = 0.0
        for i in range(len(s.source)):
            if s.target[i] != v:
                continue
            u = s.source[i]
            rate = float(s.rates.stream_per_s[i])
            if rate <= 0:
                continue
            # What came in from the own container was just drained there: its outputs meet the
            # same clock again, so that one whole period lies between the two; others wait half a
            # period on average.
            on_the_way_s = runtime.hop_s + block[u] + queue[u]
            again_s = period_s - on_the_way_s % period_s
            same_clock = 0.0 if s.spout[u] else local_input[u]
            wait_s = (1.0 - same_clock) * period_s / 2 + same_clock * again_s
            hop = np.array([wait_s, runtime.hop_s, 0.0, 0.0, 0.0, 0.0, 0.0])
            passing = parts[u].copy()
            if not s.spout[u]:
                # The whole block of the sender, its own execution included.
                passing += np.array([0.0, 0.0, block[u], queue[u], 0.0, stall[u], 0.0])
            total += rate * (passing + hop)
            spread += rate * (variance[u] + period_s**2 / 12 + block[u] ** 2 / 12)
            local += float(placed.local_per_s[i])
            weight += rate
        if weight > 0:
            parts[v] = total / weight
            variance[v] = spread / weight
            local_input[v] = local / weight
    sinks = ~s.emits & ~s.spout
    at_sink = parts.copy()
    # At a sink a tuple waits for those before it in its block, half of them on average.
    at_sink[:, 2] += block / 2
    at_sink[:, 3] += queue
    at_sink[:, 4] += service
    at_sink[:, 5] += stall
    weights = np.where(sinks, s.rates.input_per_s, 0.0)
    if weights.sum() <= 0:
        weights = np.where(~s.spout, s.rates.input_per_s, 0.0)
    if weights.sum() <= 0:
        return Latency(0.0, None, 0.0, 0.0, np.zeros(size), dict.fromkeys(PARTS, 0.0))
    weights = weights / weights.sum()
    mean_parts = weights @ at_sink
    mean_parts[6] = _buffered(placed, runtime, load_factor, sustainable)
    mean_s = float(mean_parts.sum())
    sd_s = math.sqrt(float(weights @ (variance + block**2 / 12)) + (0.3 * mean_parts[6]) ** 2)
    stalled_s = float(mean_parts[5])
    # An acknowledgement goes back like a tuple; after a single local hop on the same clock again.
    direct = float(weights @ np.array([_from_spouts(placed, v) for v in range(size)]))
    way_back_s = period_s / 2 * (1.0 + direct) + runtime.hop_s
    return Latency(
        mean_s,
        mean_s + way_back_s if runtime.acking else None,
        mean_s - STALL_SKEW * stalled_s,
        # Drains are bounded, so their sum has a short tail; a stall is most of a quota period.
        mean_s + TAIL_SDS * sd_s + min(runtime.quota_period_s, 12 * stalled_s),
        parts.sum(axis=1),
        dict(zip(PARTS, (float(p) for p in mean_parts), strict=True)),
    )


def _at_instances(
    placed: Placed, needs: Demand, load_factor: float, period_s: float
) -> tuple[Floats, Floats, Floats]:
    """Per instance: time to execute a whole packet, wait for other packets, time of one tuple."""
    s, plan = placed.structure, placed.plan
    executed = np.where(s.spout, 0.0, s.rates.input_per_s)[plan.component] * placed.share
    executed = executed * load_factor
    with np.errstate(divide="ignore", invalid="ignore"):
        service_s = np.where(executed > 0, needs.thread_rising * load_factor / executed, 0.0)
        batch = np.where(needs.packets_in_per_s > 0, executed / needs.packets_in_per_s, 1.0)
    service_s = np.nan_to_num(service_s)
    block_s = np.maximum(batch, 1.0) * service_s
    busy = np.minimum(executed * service_s, MAX_UTILISATION)
    # Packets of one sender come a period apart and never meet; those of several do.
    period_packets = np.maximum(needs.packets_in_per_s * period_s, 1.0)
    others = 1.0 - 1.0 / period_packets
    queue_s = busy / (1.0 - busy) * block_s / 2 * others
    return block_s, queue_s, service_s


def _from_spouts(placed: Placed, component: int) -> float:
    """Share of a component's tuples that come straight from a spout in the same container."""
    s = placed.structure
    total = local = 0.0
    for i in range(len(s.source)):
        if s.target[i] == component:
            total += float(s.rates.stream_per_s[i])
            if s.spout[s.source[i]]:
                local += float(placed.local_per_s[i])
    return local / total if total > 0 else 0.0


def _stalls(
    placed: Placed, needs: Demand, runtime: Runtime, quota: Floats, load_factor: float
) -> Floats:
    """Mean stall per tuple at each instance from its container's quota."""
    plan = placed.plan
    used = needs.container_fixed + load_factor * needs.container_rising
    with np.errstate(divide="ignore", invalid="ignore"):
        utilisation = np.where(np.isfinite(quota) & (quota > 0), used / quota, 0.0)
    stall_s = QUOTA_STALL_S * (runtime.quota_period_s / 0.1) * np.minimum(utilisation, 1.0) ** 4
    return np.asarray(stall_s[plan.container], dtype=np.float64)


def _buffered(placed: Placed, runtime: Runtime, load_factor: float, sustainable: float) -> float:
    """Time in full buffers under back-pressure, by Little's law on the spouts' bytes."""
    if sustainable >= 1.0:
        return 0.0
    s = placed.structure
    spouts = np.flatnonzero(s.spout)
    bytes_per_s = float(s.emit_bytes_per_s[spouts].sum()) * load_factor
    tuples_per_s = float(s.emit_per_s[spouts].sum()) * load_factor
    if tuples_per_s <= 0:
        return 0.0
    wire_bytes_per_s = bytes_per_s + 120.0 * tuples_per_s
    marks = (runtime.high_water_bytes + runtime.low_water_bytes) / 2
    return BUFFERS_IN_BACK_PRESSURE * marks / wire_bytes_per_s
