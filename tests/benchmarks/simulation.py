"""Speed of the simulation, and simulated beside measured runs.

`python -m tests.benchmarks.simulation [--runs DIR] [--seeds N] [--only TEXT]`

Without DIR only the speed is printed. Nothing is fitted to any run: loads and settings are read
from the run files, everything else are the defaults of `Mechanics`.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from packing.plan import Plan
from packing.simulation import (
    ComponentLoad,
    Mechanics,
    SimulatedLoad,
    SimulationResult,
    StreamLoad,
    simulate,
)
from packing.topology import Component, Grouping, Kind, Stream, Topology

KIB = 1024.0
TUPLE_OVERHEAD_BYTES = 115.0
"""Key, time, roots and framing around a run's payload: bytes over tuples in the uncapped runs."""


def topology_of(run: dict[str, Any]) -> Topology:
    """Components and streams of a run file."""
    components = tuple(
        Component(name, Kind(c["kind"]), c["parallelism"])
        for name, c in run["topology"]["components"].items()
    )
    streams = tuple(
        Stream(s["from"], s["to"], s["stream"], Grouping(s["grouping"]))
        for s in run["topology"]["streams"]
    )
    return Topology(run["id"], run["id"], components, streams)


def plan_of(run: dict[str, Any], topology: Topology) -> Plan:
    """Placement of a run file; sizes do not matter here."""
    columns = [
        (topology.position[i["component"]], i["task"], i["index"], int(container))
        for container, instances in run["plan"].items()
        for i in instances
    ]
    n, ids = len(columns), sorted(int(c) for c in run["plan"])

    def sizes(count: int) -> Any:
        return np.ones(count), np.ones(count, np.int64), np.ones(count, np.int64)

    return Plan.of(
        run["id"], topology.names, tuple(zip(*columns, strict=True)), sizes(n), ids, sizes(len(ids))
    )


def _cpu_s(component: dict[str, Any]) -> float:
    measured = component.get("cpu_us_per_tuple_measured")
    return 1e-6 * float(measured or component.get("cpu_us_per_tuple_declared") or 0.0)


def _shares(run: dict[str, Any], stream: Stream) -> tuple[float, ...] | None:
    """Shares of a fields stream as the run's instances got them, in the order of task ids."""
    if stream.grouping is not Grouping.FIELDS:
        return None
    targets = [i for i in run["measured"]["instances"] if i["component"] == stream.target]
    return tuple(i["execute_per_s"] for i in sorted(targets, key=lambda i: int(i["task"])))


def load_of(run: dict[str, Any], topology: Topology) -> SimulatedLoad:
    """Load of a run file. The selectivity of a spout's stream is 1."""
    spec = run["topology"]["components"]
    payload = max(c.get("payload_bytes", 0) for c in spec.values())
    loads = {}
    for name, component in spec.items():
        rate = component.get("offered_rate_per_instance")
        loads[name] = ComponentLoad(
            rate_per_s=math.inf if rate == "max" else rate,
            cpu_s=_cpu_s(component),
            wait_s=1e-6 * component.get("park_us", 0.0),
        )
    streams = {
        (s.source, s.target, s.stream_id): StreamLoad(
            selectivity=spec[s.source].get("selectivity", 1.0),
            tuple_bytes=payload + TUPLE_OVERHEAD_BYTES,
            shares=_shares(run, s),
        )
        for s in topology.streams
    }
    quota = {int(c): q for c, q in run["quota_cores"].items() if q is not None}
    return SimulatedLoad(
        loads,
        streams,
        acking=run["config"]["acking"],
        max_spout_pending=run["config"]["max_spout_pending"],
        quota_cores=quota or None,
        host_cores=run["measured"]["machine"]["cores"],
        hosts={int(c): 0 for c in run["plan"]},
    )


def mechanics_of(run: dict[str, Any]) -> Mechanics:
    """Settings that a run file states."""
    config = run["config"]
    socket = 2 * KIB * config.get("instance_socket_buffer_kib", 128)
    return replace(
        Mechanics(),
        high_water_bytes=KIB * KIB * config["backpressure_high_mb"],
        low_water_bytes=KIB * KIB * config["backpressure_low_mb"],
        socket_bytes=socket,
        bolt_read_queue_packets=config.get("bolt_read_queue_capacity", 128),
    )


def _mean_latency_ms(run: dict[str, Any]) -> float:
    return statistics.fmean(s["mean"] for s in run["measured"]["sink_latency_ms"].values())


def _error(simulated: float, measured: float) -> str:
    return f"{100 * (simulated / measured - 1):+5.1f} %" if measured else "      -"


def compare(run: dict[str, Any], seeds: int) -> None:
    """Print one line for a run, and one per container."""
    topology = topology_of(run)
    plan = plan_of(run, topology)
    load, mechanics = load_of(run, topology), mechanics_of(run)
    results: list[SimulationResult] = [
        simulate(topology, plan, load, mechanics, seed=seed, warmup_s=15.0, window_s=25.0)
        for seed in range(seeds)
    ]
    throughput = statistics.fmean(r.throughput_per_s for r in results)
    latency = statistics.fmean(1e3 * x.mean_s for r in results for x in r.sink_latency.values())
    cores = np.mean([r.container_cores for r in results], axis=0)
    complete = np.nanmean([
        r.complete_latency_s[r.acks_per_s > 0].mean() if load.acking else np.nan for r in results
    ]) if load.acking else math.nan  # fmt: skip
    measured = run["measured"]
    measured_cores = [measured["containers"][str(c)]["cores"] for c in plan.container_ids]
    acked = measured.get("complete_latency_ms") or {}
    print(
        f"| {run['id']} | {measured['throughput_per_s']:.0f} | {throughput:.0f} | "
        f"{_error(throughput, measured['throughput_per_s'])} | {_mean_latency_ms(run):.1f} | "
        f"{latency:.1f} | {_error(latency, _mean_latency_ms(run))} | "
        f"{acked.get('mean', math.nan):.1f} / {1e3 * complete:.1f} | "
        f"{' '.join(f'{c:.3f}' for c in measured_cores)} | {' '.join(f'{c:.3f}' for c in cores)} | "
        f"{statistics.fmean(r.back_pressure for r in results):.2f} | "
        f"{measured['steadiness']} |"
    )


def speed() -> None:
    """Tuples per second of wall time on a word-count-like topology, compiled already."""
    components = (
        Component("src", Kind.SPOUT, 4),
        Component("split", Kind.BOLT, 4),
        Component("count", Kind.BOLT, 4),
    )
    streams = (
        Stream("src", "split", "default", Grouping.SHUFFLE),
        Stream("split", "count", "default", Grouping.FIELDS),
    )
    topology = Topology("speed", "speed", components, streams)
    columns = [(c, 4 * c + k + 1, k, k + 1) for c in range(3) for k in range(4)]
    ones = (np.ones(12), np.ones(12, np.int64), np.ones(12, np.int64))
    few = (np.ones(4), np.ones(4, np.int64), np.ones(4, np.int64))
    plan = Plan.of(
        "speed", topology.names, tuple(zip(*columns, strict=True)), ones, [1, 2, 3, 4], few
    )
    for rate in (500.0, 20_000.0):
        for acking in (False, True):
            load = SimulatedLoad(
                {
                    "src": ComponentLoad(rate),
                    "split": ComponentLoad(cpu_s=2e-6),
                    "count": ComponentLoad(cpu_s=1e-6),
                },
                acking=acking,
            )
            started_s = time.perf_counter()
            simulate(topology, plan, load, seed=0, warmup_s=0.1, window_s=0.1)
            prepared_s = time.perf_counter() - started_s
            window_s = 2_000_000 / (8 * rate)
            started_s = time.perf_counter()
            result = simulate(topology, plan, load, seed=0, warmup_s=1.0, window_s=window_s)
            took_s = time.perf_counter() - started_s
            print(
                f"{rate:7.0f} tuples/s per spout, acks {'on ' if acking else 'off'}: "
                f"{result.tuples / took_s / 1e6:.2f} M tuples/s, "
                f"{result.events / took_s / 1e6:.2f} M events/s, "
                f"1e7 tuples in {1e7 * took_s / result.tuples:.1f} s "
                f"(first call {prepared_s:.1f} s)"
            )


def main() -> None:
    """Print the speed, and the comparison when there are runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="folder of run files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the ids to compare")
    arguments = parser.parse_args()
    speed()
    if arguments.runs:
        print(
            "\n| run | tuples/s | simulated | error | latency ms | simulated | error | "
            "complete ms | cores | simulated | back-pressure | steadiness |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|"
        )
        for path in sorted(arguments.runs.glob("*.json")):
            run = json.loads(path.read_text())
            if arguments.only in run["id"]:
                compare(run, arguments.seeds)


if __name__ == "__main__":
    main()
