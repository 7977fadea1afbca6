"""Run files: a real Heron cluster running one topology under one plan, measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packing.errors import InvalidRequest
from packing.model.runtime import Runtime
from packing.plan import Plan
from packing.profile import Profile, Source
from packing.topology import Component, Grouping, Kind, Stream, Topology

UNLIMITED_RATE_PER_S = 1e6
"""Stands for a spout that emits as fast as it can."""
UNLIMITED_CORES = 1e6
"""Stands for a container without a quota."""
WORKER_RAM_BYTES = 448 * 2**20


@dataclass(frozen=True)
class MeasuredRun:
    """A run file in the terms of planning, with what was measured left as it is in the file."""

    run_id: str
    workload: str
    topology: Topology
    plan: Plan
    profile: Profile
    runtime: Runtime
    measured: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def yardstick(self) -> bool:
        """Whether throughput and latency may be held against a steady-state prediction."""
        return self.measured["steadiness"] == "steady" or self.run_id.endswith("-s2")


def load_runs(folder: Path) -> list[MeasuredRun]:
    """All run files of a folder, by id. Raises InvalidRequest naming the file."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise InvalidRequest(f"{folder} {what}; name the folder that holds the run files (*.json)")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InvalidRequest(f"{folder} holds no run files (*.json)")
    return [load_run(path) for path in paths]


def load_run(path: Path) -> MeasuredRun:
    """Read one run file. Raises InvalidRequest naming the file and what is missing."""
    try:
        raw = json.loads(path.read_bytes())
        return _run(raw)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} is not JSON: {error}") from None
    except KeyError as error:
        raise InvalidRequest(f"{path} is not a run file: it has no {error}") from None
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{path} is not a run file: {error}") from None


def _run(raw: Mapping[str, Any]) -> MeasuredRun:
    components: Mapping[str, Any] = raw["topology"]["components"]
    topology = Topology(
        raw["id"],
        raw["workload"],
        tuple(
            Component(name, Kind(entry["kind"]), int(entry["parallelism"]))
            for name, entry in components.items()
        ),
        tuple(
            Stream(s["from"], s["to"], s["stream"], Grouping(s["grouping"]))
            for s in raw["topology"]["streams"]
        ),
    )
    return MeasuredRun(
        raw["id"],
        raw["workload"],
        topology,
        _plan(raw, topology),
        _profile(topology, components),
        _runtime(raw),
        raw["measured"],
        raw,
    )


def _plan(raw: Mapping[str, Any], topology: Topology) -> Plan:
    placed = [
        (topology.position[i["component"]], i["task"], i["index"], int(container))
        for container, instances in raw["plan"].items()
        for i in instances
    ]
    ids = sorted(int(container) for container in raw["plan"])
    quota = [raw["quota_cores"][str(this)] for this in ids]
    cores = np.array([UNLIMITED_CORES if q is None else q for q in quota], dtype=np.float64)
    count = len(placed)
    ram = np.full(count, WORKER_RAM_BYTES)
    return Plan.of(
        topology.topology_id,
        topology.names,
        tuple([row[i] for row in placed] for i in range(4)),
        (np.zeros(count), ram, np.zeros(count, dtype=np.int64)),
        ids,
        (cores, np.full(len(ids), WORKER_RAM_BYTES * count), np.zeros(len(ids), dtype=np.int64)),
    )


def _profile(topology: Topology, components: Mapping[str, Any]) -> Profile:
    rates, cpu, wait, selectivity, sizes = {}, {}, {}, {}, {}
    payload: dict[str, float] = {}
    for name, entry in components.items():
        if entry["kind"] == "spout":
            rate = entry["offered_rate_per_instance"]
            rates[name] = UNLIMITED_RATE_PER_S if rate == "max" else float(rate)
            payload[name] = float(entry["payload_bytes"])
            cpu[name] = 0.0
        else:
            cpu[name] = float(entry["cpu_us_per_tuple_declared"]) * 1e-6
            wait[name] = float(entry.get("park_us") or 0.0) * 1e-6
    # A bolt forwards what it got, so a payload travels down the topology.
    for _ in topology.components:
        for stream in topology.streams:
            if stream.source in payload:
                payload.setdefault(stream.target, payload[stream.source])
    for stream in topology.streams:
        key = (stream.source, stream.target, stream.stream_id)
        entry = components[stream.source]
        selectivity[key] = 1.0 if entry["kind"] == "spout" else float(entry["selectivity"])
        sizes[key] = payload[stream.source]
    return Profile(
        rate_per_s=rates,
        service_s=cpu,
        wait_s=wait,
        selectivity=selectivity,
        tuple_bytes=sizes,
        source=Source.DECLARED,
    )


def _runtime(raw: Mapping[str, Any]) -> Runtime:
    config = raw["config"]
    kib = config.get("backpressure_high_kib")
    high = kib * 1024 if kib else config["backpressure_high_mb"] * 2**20
    low_kib = config.get("backpressure_low_kib")
    low = low_kib * 1024 if low_kib else config["backpressure_low_mb"] * 2**20
    simple_jit = "TieredStopAtLevel=1" in str(config.get("jvm_options"))
    return Runtime(
        acking=bool(config["acking"]),
        max_spout_pending=config["max_spout_pending"],
        enforced_quotas=any(quota is not None for quota in raw["quota_cores"].values()),
        host_cores=float(raw["measured"]["machine"]["cores"]),
        high_water_bytes=float(high),
        low_water_bytes=float(low),
        metrics_interval_s=float(config["metrics_interval_s"]),
        simple_jit=simple_jit,
        # These runs are minutes old; only the first tier is done compiling by then.
        warming_up=not simple_jit,
    )
