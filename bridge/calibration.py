"""Fit what Heron's own code costs to measured runs.

Garbage collection is fitted a second time by itself, to the CPU of the threads that collect: a
prediction for another heap needs to know which part of the costs that is.

Non-negative least squares of CPU on counted events: for every instance the cores beyond user code
and JIT compilation, for every stream manager its cores. Rows are weighted by how exactly they tell
what is fitted: an instance that hardly works tells Heron's share of its CPU well, one that is busy
with user code badly, because a few per cent of error in that are much of Heron's. Each cost is
drawn towards zero by one row of the size that it usually has: a cost that the runs at hand cannot
tell from another stays small instead of taking the other's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from bridge.measured_run import MeasuredRun
from packing.arrays import Floats
from packing.errors import InvalidRequest
from packing.model.costs import HeronCosts
from packing.resources import GIB, MIB
from packing.topology import Kind

INSTANCE_COSTS = {
    "instance_idle_cores": 0.02,
    "spout_idle_cores": 0.02,
    "tuple_in_s": 5e-6,
    "tuple_out_s": 5e-6,
    "simple_jit_tuple_s": 5e-6,
    "packet_in_s": 150e-6,
    "spout_packet_out_s": 60e-6,
    "bolt_packet_out_s": 20e-6,
    "byte_s": 2e-9,
    "ack_s": 2e-6,
}
"""Costs of an instance and the size that each usually has."""

MANAGER_COSTS = {
    "manager_idle_cores": 0.005,
    "manager_spout_packet_s": 25e-6,
    "manager_bolt_packet_s": 10e-6,
    "manager_packet_out_s": 40e-6,
    "manager_tuple_s": 0.5e-6,
    "manager_remote_in_s": 0.3e-6,
    "manager_ack_s": 0.5e-6,
    "manager_byte_s": 0.5e-9,
}

GC_COSTS = {
    "gc_idle_cores": 0.001,
    "gc_tuple_gib_s": 30e-9,
    "gc_byte_gib_s": 30e-12,
}
"""Costs of garbage collection: parts of those of an instance."""

SHRINKAGE = 0.015
"""Weight of the row that draws a cost to zero, against a row of data that is all this cost."""
SMALLEST_INSTANCE_CORES = 0.02
SMALLEST_MANAGER_CORES = 0.008
SMALLEST_GC_CORES = 0.001
"""Rows below this weigh as if they were this large: their noise is absolute."""
KNOWN_ERROR = 0.25
"""Relative error of user CPU over that of Heron's: declared and measured work per tuple differ by 2
to 3 per cent, Heron's share of one instance by about 10 per cent between repeated runs."""


@dataclass(frozen=True)
class Fit:
    """Costs with how well they explain the runs they were fitted to."""

    costs: HeronCosts
    runs: tuple[str, ...]
    instance_residual: Residual
    manager_residual: Residual
    gc_residual: Residual


@dataclass(frozen=True)
class Residual:
    """Relative errors of CPU, explained over measured minus one."""

    rows: int
    mean: float
    mean_absolute: float
    worst: float


def calibrate(runs: Sequence[MeasuredRun], version: str) -> Fit:
    """Fit all costs. Raises InvalidRequest when there is nothing to fit to."""
    usable = [run for run in runs if _countable(run)]
    if not usable:
        raise InvalidRequest("none of the runs has rate-limited spouts, so no cost can be fitted")
    instance_rows = [row for run in usable for row in _instance_rows(run)]
    manager_rows = [row for run in usable for row in _manager_rows(run)]
    gc_rows = [row for run in usable for row in _gc_rows(run)]
    instance, instance_residual = _solve(
        instance_rows, list(INSTANCE_COSTS.values()), SMALLEST_INSTANCE_CORES
    )
    manager, manager_residual = _solve(
        manager_rows, list(MANAGER_COSTS.values()), SMALLEST_MANAGER_CORES
    )
    gc, gc_residual = _solve(gc_rows, list(GC_COSTS.values()), SMALLEST_GC_CORES)
    values = dict(zip(INSTANCE_COSTS, instance, strict=True))
    values |= dict(zip(MANAGER_COSTS, manager, strict=True))
    values |= dict(zip(GC_COSTS, gc, strict=True))
    values |= _means(usable)
    return Fit(
        HeronCosts.of(version, values),
        tuple(run.run_id for run in usable),
        instance_residual,
        manager_residual,
        gc_residual,
    )


@dataclass(frozen=True)
class _Row:
    events: list[float]
    cores: float
    """What the events have to explain."""
    known_cores: float = 0.0
    """What needs no explanation: user code."""


def _countable(run: MeasuredRun) -> bool:
    return all(
        entry.get("offered_rate_per_instance") != "max"
        for entry in run.raw["topology"]["components"].values()
    )


def _instance_rows(run: MeasuredRun) -> list[_Row]:
    rows = []
    for entry in run.measured["instances"]:
        component = run.topology.component(entry["component"])
        spout = component.kind is Kind.SPOUT
        executed = float(entry["execute_per_s"] or 0.0)
        emitted = float(entry["emit_per_s"] or 0.0)
        into = float(entry["gateway_packets_received_per_s"] or 0.0)
        out = float(entry["gateway_packets_sent_per_s"] or 0.0)
        read = 0.0 if spout else executed
        acked = (read + (emitted if spout else 0.0)) if run.runtime.acking else 0.0
        known = read * run.profile.service_s[component.name]
        events = [
            0.0 if spout else 1.0,
            1.0 if spout else 0.0,
            read,
            emitted,
            (read + emitted) if run.runtime.simple_jit else 0.0,
            0.0 if spout else into,
            out if spout else 0.0,
            0.0 if spout else out,
            (read + emitted) * _payload(run, component.name),
            acked,
        ]
        cores = float(entry["cores"]) - float(entry["cores_by_thread"]["jit"])
        rows.append(_Row(events, max(0.0, cores - known), known))
    return rows


def _payload(run: MeasuredRun, component: str) -> float:
    sizes = [
        run.profile.tuple_bytes[s.source, s.target, s.stream_id]
        for s in run.topology.streams
        if component in (s.source, s.target)
    ]
    return max(sizes, default=0.0)


def _manager_rows(run: MeasuredRun) -> list[_Row]:
    rows = []
    for container, entry in run.measured["stmgrs"].items():
        here: list[dict[str, Any]] = [
            i for i in run.measured["instances"] if str(i["container"]) == container
        ]
        sent = {Kind.SPOUT: 0.0, Kind.BOLT: 0.0}
        for i in here:
            kind = run.topology.component(i["component"]).kind
            sent[kind] += float(i["gateway_packets_sent_per_s"] or 0.0)
        peers = entry["peers"].values()
        remote_bytes = float(entry["bytes_from_stmgrs"]) + sum(
            float(peer.get("bytes_to_stmgrs") or 0.0) for peer in peers
        )
        acks = float(entry["acks_from_workers"] or 0.0) + float(entry["acks_to_workers"] or 0.0)
        events = [
            1.0,
            sent[Kind.SPOUT],
            sent[Kind.BOLT],
            sum(float(i["gateway_packets_received_per_s"] or 0.0) for i in here),
            float(entry["tuples_from_workers"]),
            float(entry["tuples_from_stmgrs"]),
            acks,
            remote_bytes,
        ]
        rows.append(_Row(events, float(entry["cores"])))
    return rows


def _gc_rows(run: MeasuredRun) -> list[_Row]:
    """Cores of the collecting threads; instances of these runs keep nothing, so their heap is
    free. None of a run that does not state it."""
    heap_mb = run.raw["config"].get("instance_heap_mb")
    if not heap_mb:
        return []
    free_gib = float(heap_mb) * MIB / GIB
    rows = []
    for entry in run.measured["instances"]:
        component = run.topology.component(entry["component"])
        read = 0.0 if component.kind is Kind.SPOUT else float(entry["execute_per_s"] or 0.0)
        tuples = read + float(entry["emit_per_s"] or 0.0)
        moved = tuples * _payload(run, component.name)
        events = [1.0, tuples / free_gib, moved / free_gib]
        rows.append(_Row(events, float(entry["cores_by_thread"]["gc_vm"])))
    return rows


def _solve(
    rows: Sequence[_Row], scales: Sequence[float], smallest: float
) -> tuple[list[float], Residual]:
    if not rows:
        return [0.0] * len(scales), Residual(0, 0.0, 0.0, 0.0)
    events = np.array([row.events for row in rows])
    cores = np.array([row.cores for row in rows])
    known = np.array([row.known_cores for row in rows])
    weight = 1.0 / np.maximum(np.hypot(cores, KNOWN_ERROR * known), smallest)
    scale = np.array(scales)
    # Columns in units of the usual size, so that one shrinkage fits all.
    scaled = events * scale * weight[:, None]
    shrink = SHRINKAGE * np.sqrt(len(rows)) * np.eye(len(scale))
    solution, _ = nnls(
        np.vstack([scaled, shrink]), np.concatenate([cores * weight, np.zeros(len(scale))])
    )
    found = solution * scale
    errors = (events @ found - cores) / np.maximum(cores + known, smallest)
    return [float(value) for value in found], _residual(errors)


def _residual(errors: Floats) -> Residual:
    return Residual(
        len(errors),
        float(errors.mean()),
        float(np.abs(errors).mean()),
        float(np.abs(errors).max()),
    )


def _means(runs: Sequence[MeasuredRun]) -> dict[str, float]:
    """Costs that are plain averages: background per container, JIT compilation per instance."""
    background = [
        sum(entry["background_cores"].values())
        for run in runs
        for container, entry in run.measured["containers"].items()
        if container != "0"
    ]
    compiler: dict[Kind, list[float]] = {Kind.SPOUT: [], Kind.BOLT: []}
    for run in runs:
        if run.runtime.simple_jit:
            continue
        for entry in run.measured["instances"]:
            kind = run.topology.component(entry["component"]).kind
            compiler[kind].append(float(entry["cores_by_thread"]["jit"]))
    return {
        "container_background_cores": float(np.mean(background)),
        "compiler_bolt_cores": float(np.mean(compiler[Kind.BOLT] or [0.0])),
        "compiler_spout_cores": float(np.mean(compiler[Kind.SPOUT] or [0.0])),
    }
