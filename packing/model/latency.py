"""How long tuples take from emission to the end of their execution.

Per hop a tuple waits for the drain clock of its sender's stream manager and passes two sockets.
Between hops it waits in blocks: a packet is executed from first tuple to last, and the outputs
leave when the block is done. Blocks of several senders queue (`packing.model.queueing`). Under a
CPU quota a container stands still when its budget of the period is used up.

Measured on a real Heron: one hop 15.0 ms, two hops over two containers 31.0, inside one container
39.1, where both queues are drained by one timer and the second hop waits a whole period.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from packing.arrays import TINY, Floats
from packing.model.demand import Demand
from packing.model.placed import Placed
from packing.model.queueing import packet_wait
from packing.model.runtime import Runtime
from packing.model.structure import TUPLE_OVERHEAD_BYTES

SLACK_PERIODS = 1.3
"""Quota periods whose slack is used up before a burst stalls anything: the one it starts in, and
part of the one it ends in."""
MOST_PERIODS = 50.0
"""A burst is over after so many periods at the latest."""
STALL_OF_THROTTLED = 0.7
"""How long a tuple that comes while its container is throttled waits, in throttled times: half of
one for the rest of it, and then for those that came before."""
EARLY_PHASES = 0.15
"""Share of local queues that come to be drained at the tick after the one that fills them instead
of two ticks later; which of both is settled at the start and stays. In the simulation 0 to 25 %; in
the measured runs none of three."""
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
    arrival_s: Floats = field(compare=False)
    """Per component: mean from emission to the start of execution."""
    parts_s: dict[str, float]
    """What makes up the mean at the sinks: drain, sockets, blocks, queueing, service, stalls,
    buffers."""


PARTS = ("drain", "sockets", "blocks", "queueing", "service", "stalls", "buffers")


def latency(  # noqa: PLR0917 - what it depends on
    placed: Placed,
    needs: Demand,
    runtime: Runtime,
    quota: Floats,
    load_factor: float,
    sustainable: float,
) -> Latency:
    """Latency at `load_factor` of the nominal load; `sustainable` as in `saturation`.

    Instances of a component are pooled, weighted by their share of the tuples. What a tuple met on
    its way to the mean sink is the sum over streams of how often its way led over each times what
    happens there; how often follows from the rates alone (`Structure.sink_passages`).
    """
    s = placed.structure
    weights = s.sink_weights
    if s.traffic_per_s <= 0 or not weights.any():
        none = dict.fromkeys(PARTS, 0.0)
        return Latency(0.0, None, 0.0, 0.0, np.zeros(len(weights)), none)
    period_s = runtime.drain_period_s
    block, until_executed, queue = _at_instances(placed, needs, load_factor, period_s)
    stall = _stalls(placed, needs, runtime, quota, load_factor)
    passing = runtime.hop_s + block + queue
    cycle_s, every_tick = _drain_cycle(placed, needs, load_factor, period_s)
    # What came in from the own container was just drained there: its outputs meet the same clock
    # again, so that one whole cycle of it lies between the two; others wait half of one on average.
    # Where senders make it drain at every tick, outputs wait for one tick and linger with others.
    tick_s = period_s / 2
    locked = cycle_s - passing % cycle_s - EARLY_PHASES * tick_s
    again = locked + every_tick * ((cycle_s + tick_s) / 2 - passing % tick_s - locked)
    same_clock = s.local_parts @ placed.local_per_s
    drain = cycle_s / 2 + same_clock * (again - cycle_s / 2)
    # Tuples leave spouts as they emit them.
    stall_between = np.where(s.spout, 0.0, stall)

    # The whole block of the sender passes, its own execution included; at a sink a tuple waits for
    # those before it in its block, half of them on average.
    through = s.sink_passages
    both = through + weights
    hops = float(through.sum())
    parts = {
        "drain": float(through @ drain),
        "sockets": hops * runtime.hop_s,
        "blocks": float(through @ block + weights @ until_executed),
        "queueing": float(both @ queue),
        "service": float(weights @ needs.work.service_s),
        "stalls": float(both @ stall_between),
    }
    variance = hops * period_s**2 / 12 + float(both @ (block * block)) / 12
    # An acknowledgement goes back like a tuple; after a single local hop on the same clock again.
    direct = float(s.sink_local_parts @ placed.local_per_s)
    way_back_s = period_s / 2 * (1.0 + direct) + runtime.hop_s
    calm_s = math.fsum(parts.values())
    parts["buffers"] = _buffered(placed, runtime, load_factor, sustainable, calm_s + way_back_s)
    mean_s = calm_s + parts["buffers"]
    sd_s = math.sqrt(variance + (0.3 * parts["buffers"]) ** 2)
    return Latency(
        mean_s,
        mean_s + way_back_s if runtime.acking else None,
        mean_s - STALL_SKEW * parts["stalls"],
        # Drains are bounded, so their sum has a short tail; a stall is most of a quota period.
        mean_s + TAIL_SDS * sd_s + min(runtime.quota_period_s, 12 * parts["stalls"]),
        s.sender_passages @ (drain + passing + stall_between),
        parts,
    )


def _drain_cycle(
    placed: Placed, needs: Demand, load_factor: float, period_s: float
) -> tuple[Floats, Floats]:
    """Longest wait for the drain of a component's outputs, mean over their readers; and the share
    of its own input that comes in tuple sets which senders closed; (components,) each.

    A timer ticks twice a period. At a tick an open tuple set leaves if nothing left for its
    destination at this tick and the one before (`TupleCache::TupleList::drain` in tuple-cache.cpp);
    a set that was closed by another sender's tuples leaves at once. With p the chance that a tick
    finds something and one sender, the renewal cycle from drain to drain gives a mean wait of
    (1/2 + p / (1 + p^2)) ticks: one tick where tuples come all the time, half of one where they are
    rare. Where senders close m sets a tick for each other, only the last of m + 1 stays open.
    """
    tick_s = period_s / 2
    flow = placed.from_each * load_factor
    # In place: arrays of all containers are large.
    found = flow * -tick_s
    np.expm1(found, out=found)
    np.negative(found, out=found)
    lingering = found / (1.0 + found * found)
    closed = needs.packets.closed * tick_s
    np.minimum(lingering, 1.0 / (1.0 + closed), out=lingering)
    np.minimum(closed, 1.0, out=closed)
    lingering *= flow
    closed *= flow
    total = flow.sum(axis=1) + TINY
    wait = (lingering.sum(axis=1) + TINY / 2) / total
    every_tick = closed.sum(axis=1) / total
    cycle: Floats = tick_s * (1.0 + 2.0 * (placed.structure.output_parts @ wait))
    return cycle, every_tick


def _at_instances(
    placed: Placed, needs: Demand, load_factor: float, period_s: float
) -> tuple[Floats, Floats, Floats]:
    """How long it takes until the outputs of a burst leave and until a tuple of it is executed, and
    the wait for other bursts; means of a component's tuples."""
    s, work, packets, kinds = placed.structure, needs.work, needs.packets, placed.kinds
    found = _burst(
        kinds.of_components(s.executed_per_s) * kinds.share * load_factor,
        packets.into,
        packets.bursts,
        kinds.of_components(work.service_s),
        kinds.of_components(work.packet_in_s),
        kinds.of_components(s.service_scv),
        period_s,
    )
    leaving, executed, queue = (kinds.means(each) for each in found)
    return leaving, executed, queue


def _burst(  # noqa: PLR0917 - one column after the other
    executed: Floats, packets: Floats, bursts: Floats, service_s: Floats, packet_in_s: Floats,
    scv: Floats, period_s: float,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """What a tuple meets at an instance that executes `executed` tuples/s; (n,) each.

    The packets of a burst come as fast as the gateway takes them over. Where executing takes
    longer, the whole burst is one block; else outputs leave as packets are executed, half of the
    burst later on average.
    """
    one = np.ones(len(bursts))
    batch = np.maximum(np.divide(executed, bursts, out=one, where=bursts > 0), 1.0)
    block = batch * service_s
    several = packets > bursts * (1.0 + 1e-9)
    handing = several * packets * packet_in_s / np.maximum(bursts, TINY)
    longer = np.maximum(block, handing)
    busy = np.minimum(executed * service_s, MAX_UTILISATION)
    # Each sender's clock brings a burst per period.
    clocks = np.maximum(bursts * period_s, 1.0)
    waits = packet_wait(busy, block, scv / batch, clocks)
    return (longer + block) / 2.0, longer / 2.0, waits


def _stalls(
    placed: Placed, needs: Demand, runtime: Runtime, quota: Floats, load_factor: float
) -> Floats:
    """Mean stall of a component's tuples from the quotas of its containers; (components,)."""
    if not runtime.enforced_quotas:
        return np.zeros(len(placed.sending))
    used = needs.container_fixed + load_factor * needs.container_rising
    found: Floats = placed.sending @ quota_stall_s(used, quota, runtime)
    return found


def quota_stall_s(used_cores: Floats, quota_cores: Floats, runtime: Runtime) -> Floats:
    """Mean stall of a tuple at an instance of a container that uses so much of its quota.

    What instances need is spread over the quota's period by the drain clock, so they seldom use it
    up by themselves. An export of the metrics does: W seconds of CPU at once, in a container that
    has only `(1 - u) q P` of a period P to spare. It takes n = W / ((1 - u) q P) periods; in each
    of them container and export use up the quota after `q P / (1 + u q)` and stand still for the
    rest. Arrays of containers, or of draws and containers; 0 without a quota.
    """
    period_s, export_s = runtime.quota_period_s, runtime.metrics_export_s
    limited = (quota_cores > 0) & (quota_cores < np.inf)
    cores = quota_cores if limited.all() else np.where(limited, quota_cores, 1.0)
    used = np.minimum(used_cores, cores)
    spare_s = np.maximum((cores - used) * period_s, export_s / MOST_PERIODS)
    periods = np.maximum(export_s / spare_s - SLACK_PERIODS, 0.0)
    if not periods.any():
        return np.zeros_like(used_cores)
    still_s = np.maximum(period_s * (1.0 - cores / (1.0 + used)), 0.0)
    share = np.minimum(periods * still_s / runtime.metrics_interval_s, 1.0)
    return np.asarray(STALL_OF_THROTTLED * limited * share * still_s, dtype=np.float64)


def _buffered(
    placed: Placed, runtime: Runtime, load_factor: float, sustainable: float, calm_s: float
) -> float:
    """Time in full buffers under back-pressure, by Little's law on the spouts' bytes.

    Where tuples in flight are limited, buffers hold no more of them than are left when a tuple and
    its acknowledgement are `calm_s` on their way.
    """
    if sustainable >= 1.0:
        return 0.0
    s = placed.structure
    tuples_per_s = float(s.emit_per_s[s.spout].sum()) * load_factor
    if tuples_per_s <= 0:
        return 0.0
    bytes_per_s = float(s.emit_bytes_per_s[s.spout].sum()) * load_factor
    wire_bytes_per_s = bytes_per_s + TUPLE_OVERHEAD_BYTES * tuples_per_s
    marks = (runtime.high_water_bytes + runtime.low_water_bytes) / 2
    full_s = BUFFERS_IN_BACK_PRESSURE * marks / wire_bytes_per_s
    allowed = in_flight(placed, runtime)
    if allowed is None:
        return full_s
    return min(full_s, max(0.0, allowed / (spout_rate(placed) * load_factor) - calm_s))


def in_flight(placed: Placed, runtime: Runtime) -> float | None:
    """Tuples that may be unacknowledged at a time, all spouts together; None without a limit."""
    if not runtime.acking or runtime.max_spout_pending is None:
        return None
    return runtime.max_spout_pending * float(placed.totals[placed.structure.spout].sum())


def spout_rate(placed: Placed) -> float:
    """Base tuples/s of all spouts at nominal load."""
    s = placed.structure
    return float(s.rates.input_per_s[s.spout].sum())
