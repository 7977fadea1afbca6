"""The load of a live topology, from the metrics that Heron's Tracker passes on.

Rates come from the counters of the last minutes, in the buckets that the topology manager keeps
(tmetrics-collector.cpp); the newest one is still being filled and left out. Time per tuple of a
bolt is the mean time in `execute`, without what Heron's own code takes to emit from there. Of a
spout no such metric is kept by default; its CPU in use, without Heron's own, stands in for it.
Only metrics that Heron's default metrics_sinks.yaml passes on are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel

from bridge.errors import Unreachable
from packing.model import HeronCosts
from packing.plan import Plan
from packing.profile import Origin, Profile, Source, StreamKey, stream_key
from packing.topology import Component, Grouping, Kind, Stream, Topology

WINDOW_S = 15 * 60
"""How far back measurements are taken into account."""
FEWEST_TUPLES_FOR_SHARES = 10_000
"""Fewer tuples per reading instance say more about chance than about keys."""
WORTH_TELLING = 0.01
"""Share of the time in back-pressure from which on it is told."""

EMITTED = "__emit-count/"
EXECUTED = "__execute-count/"
EXECUTE_NS = "__execute-latency/"
CPU_CORES = "__jvm-process-cpu-load"
HELD_BACK_MS = "__server/__time_spent_back_pressure_initiated"


class Timeline(BaseModel):
    """Metrics by bucket, as the Tracker tells them."""

    timeline: dict[str, dict[str, dict[int, float]]] = {}
    """Metric -> instance -> start of a bucket in seconds -> value."""


class Summary(BaseModel):
    """Metrics over a while, as the Tracker tells them."""

    metrics: dict[str, dict[str, float]] = {}
    """Metric -> instance -> sum of a count, mean of a time; NaN where nothing was counted."""


class Tracker(Protocol):
    """Whoever tells metrics."""

    def timeline(self, **asked: Any) -> Timeline:
        """Metrics `metricname` of `component` between `starttime` and `endtime`, in seconds."""
        ...

    def summary(self, **asked: Any) -> Summary:
        """Metrics `metricname` of `component` over the last `interval` seconds."""
        ...


@dataclass(frozen=True)
class Figures:
    """What was measured of one component."""

    minutes: float
    """How much time the counters cover; 0 when nothing was measured."""
    emitted_per_s: Mapping[str, float]
    """Stream -> tuples/s of all instances."""
    executed_per_s: Mapping[tuple[str, str], float]
    """(source, stream) -> tuples/s of all instances."""
    executed_by_instance: Mapping[tuple[str, str], Mapping[str, float]]
    """(source, stream) -> instance id -> tuples in the whole time."""
    execute_s: float | None
    """Mean time in `execute` per tuple."""
    cpu_cores: float | None
    """In use by all instances together."""


NOTHING_MEASURED = Figures(0.0, {}, {}, {}, None, None)


def measured(tracker: Tracker, topology: Topology, component: str, now_s: int) -> Figures:
    """Ask for the metrics of one component. Raises Unreachable."""
    out = {s.stream_id for s in topology.streams if s.source == component}
    into = {(s.source, s.stream_id) for s in topology.streams if s.target == component}
    names = [EMITTED + stream for stream in sorted(out)]
    names += [f"{EXECUTED}{source}/{stream}" for source, stream in sorted(into)]
    found = tracker.timeline(
        component=component,
        metricname=[*names, CPU_CORES],
        starttime=now_s - WINDOW_S,
        endtime=now_s,
    ).timeline
    starts, bucket_s = _buckets(found)
    covered_s = len(starts) * bucket_s

    def total(metric: str) -> dict[str, float]:
        return {
            instance: math.fsum(value for at, value in values.items() if at in starts)
            for instance, values in found.get(metric, {}).items()
        }

    def rate(metric: str) -> float:
        return math.fsum(total(metric).values()) / covered_s if covered_s else 0.0

    by_instance = {key: total(f"{EXECUTED}{key[0]}/{key[1]}") for key in into}
    cores = [
        [value for at, value in values.items() if at in starts]
        for values in found.get(CPU_CORES, {}).values()
    ]
    known_cores = [math.fsum(values) / len(values) for values in cores if values]
    return Figures(
        minutes=covered_s / 60,
        emitted_per_s={stream: rate(EMITTED + stream) for stream in out},
        executed_per_s={key: rate(f"{EXECUTED}{key[0]}/{key[1]}") for key in into},
        executed_by_instance=by_instance,
        execute_s=_execute_s(tracker, component, by_instance, now_s - min(starts, default=now_s)),
        cpu_cores=math.fsum(known_cores) if known_cores else None,
    )


def _execute_s(
    tracker: Tracker,
    component: str,
    executed: Mapping[tuple[str, str], Mapping[str, float]],
    interval_s: int,
) -> float | None:
    """Mean time in `execute` per tuple; None when no tuple was executed.

    Asked for in one figure per instance: the mean over a bucket without tuples is NaN, for which
    the Tracker refuses the whole timeline.
    """
    named = {f"{EXECUTE_NS}{key[0]}/{key[1]}": key for key in executed}
    if not interval_s or not named:
        return None
    found = tracker.summary(component=component, metricname=sorted(named), interval=interval_s)
    timed = [
        (executed[named[metric]].get(instance, 0.0), nanoseconds)
        for metric, instances in found.metrics.items()
        if metric in named
        for instance, nanoseconds in instances.items()
        if math.isfinite(nanoseconds)
    ]
    tuples = math.fsum(count for count, _ in timed)
    if not tuples:
        return None
    return math.fsum(count * nanoseconds for count, nanoseconds in timed) / tuples / 1e9


def _buckets(found: Mapping[str, Mapping[str, Mapping[int, float]]]) -> tuple[set[int], int]:
    """Starts of the buckets that are full, and the seconds that each lasts.

    A topology that has just started has empty ones at the beginning, which tell nothing of it.
    """
    counters = [
        (at, value)
        for metric, instances in found.items()
        if metric.startswith((EMITTED, EXECUTED))
        for values in instances.values()
        for at, value in values.items()
    ]
    starts = sorted({at for at, _ in counters})
    if len(starts) < 2:
        return set(), 60
    first = min((at for at, value in counters if value > 0), default=starts[-1])
    bucket_s = min(b - a for a, b in pairwise(starts))
    return {at for at in starts[:-1] if at >= first}, bucket_s


def held_back_share(tracker: Tracker, now_s: int) -> float:
    """Share of the time for which some stream manager held the spouts back, at least; 0 unknown."""
    try:
        found = tracker.timeline(
            component="__stmgr__",
            metricname=[HELD_BACK_MS],
            starttime=now_s - WINDOW_S,
            endtime=now_s,
        ).timeline
    except Unreachable:
        return 0.0
    by_manager = [list(values.items()) for values in found.get(HELD_BACK_MS, {}).values()]
    starts = {at for values in by_manager for at, _ in values}
    if len(starts) < 2:
        return 0.0
    newest = max(starts)
    most_ms = max(math.fsum(v for at, v in values if at != newest) for values in by_manager)
    width_s = (newest - min(starts)) / (len(starts) - 1)
    return min(1.0, most_ms / 1000 / ((len(starts) - 1) * width_s))


def notes(figures: Mapping[str, Figures], held_back: float) -> tuple[str, ...]:
    """How long was measured, and whether more may be on offer than that shows."""
    minutes = max((of.minutes for of in figures.values()), default=0.0)
    if not minutes:
        return ("no metrics were told, so the load is not known; is the topology still starting?",)
    found = [f"counters of the last {minutes:.0f} minutes"]
    if held_back > WORTH_TELLING:
        found.append(
            f"spouts were held back {held_back:.0%} of the time: more may be on offer than came"
        )
    return tuple(found)


def measured_profile(
    topology: Topology,
    plan: Plan,
    figures: Mapping[str, Figures],
    costs: HeronCosts,
) -> Profile:
    """What the figures say of the load, per number where it comes from."""
    rates: dict[str, float] = {}
    service: dict[str, float] = {}
    selectivity: dict[StreamKey, float] = {}
    shares: dict[StreamKey, tuple[float, ...]] = {}
    origin: dict[Any, Origin] = {}
    for component in topology.components:
        name, of = component.name, figures[component.name]
        emitted = of.emitted_per_s
        if component.kind is Kind.SPOUT:
            # A spout's base tuple is one of its busiest stream.
            input_per_s = max(emitted.values(), default=0.0)
            if of.minutes and input_per_s:
                rates[name] = input_per_s / component.parallelism
                origin["rate_per_s", name] = Origin.of(Source.MEASURED, "counters of tuples")
        else:
            input_per_s = math.fsum(of.executed_per_s.values())
        if not input_per_s:
            continue
        out_per_s = math.fsum(emitted.values())
        spent_s = _user_time(component, of, input_per_s, out_per_s, costs)
        if spent_s is not None:
            service[name] = spent_s
            told = "time in execute" if component.kind is Kind.BOLT else "CPU in use"
            origin["service_s", name] = Origin(
                Source.MEASURED, 0.1 if component.kind is Kind.BOLT else 0.3,
                f"{told} without Heron's own work",
            )  # fmt: skip
        for stream in topology.streams:
            if stream.source == name and stream.stream_id in emitted:
                selectivity[stream_key(stream)] = emitted[stream.stream_id] / input_per_s
    for stream in topology.streams:
        measured = _shares(stream, plan, topology, figures[stream.target])
        if measured is not None:
            shares[stream_key(stream)] = measured
    return Profile(
        rate_per_s=rates,
        service_s=service,
        selectivity=selectivity,
        key_shares=shares,
        source=Source.MEASURED,
        origin=origin,
    )


def _user_time(
    component: Component, of: Figures, input_per_s: float, out_per_s: float, costs: HeronCosts
) -> float | None:
    """Seconds of user code per input tuple; None where nothing tells."""
    if component.kind is Kind.BOLT:
        if of.execute_s is None:
            return None
        return max(0.0, of.execute_s - out_per_s / input_per_s * costs.tuple_out_s)
    if of.cpu_cores is None:
        return None
    own = component.parallelism * costs.spout_idle_cores + out_per_s * costs.tuple_out_s
    return max(0.0, of.cpu_cores - own) / input_per_s


def _shares(
    stream: Stream, plan: Plan, topology: Topology, of: Figures
) -> tuple[float, ...] | None:
    """Share of each reading instance in component-index order; None where too little was seen."""
    counts = of.executed_by_instance.get((stream.source, stream.stream_id), {})
    members = np.flatnonzero(plan.component == topology.position[stream.target])
    by_rule = stream.grouping in (Grouping.FIELDS, Grouping.DIRECT, Grouping.CUSTOM)
    if not by_rule or len(members) < 2:
        return None
    members = members[plan.index[members].argsort()]
    # The instance id of physical_plan.proto: container, component and task id.
    ids = [
        f"container_{plan.container_ids[plan.container[i]]}_{stream.target}_{plan.task_id[i]}"
        for i in members.tolist()
    ]
    seen = [counts.get(this, 0.0) for this in ids]
    total = math.fsum(seen)
    if total < FEWEST_TUPLES_FOR_SHARES * len(members):
        return None
    return tuple(count / total for count in seen)
