"""The model against the simulation: `python -m tests.benchmarks.model_against_simulation [CASES]`.

Random topologies, plans, quotas and loads from 10 % to 120 % of what the model calls sustainable.
Both are given the same costs of Heron; everything else the simulation does by Heron's mechanics and
the model by its formulas. Prints the errors of throughput and, where nothing is saturated, of mean
latency, with the worst cases. Then how many of the 80 % intervals hold the simulated figure, when
they come from a profile that is off by what it says it may be off.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from packing.constraints import Constraints
from packing.model import HeronCosts, Runtime, predict, structure
from packing.model.uncertainty import DRAWS, spread
from packing.plan import Plan
from packing.planners import BUILT_IN
from packing.profile import Origin, Profile, Quantity, Source, StreamKey, draw_factors
from packing.request import Request
from packing.simulation import ComponentLoad, Mechanics, SimulatedLoad, StreamLoad, simulate
from packing.topology import Component, Grouping, Kind, Stream, Topology

SEED = 20
MECHANICS = replace(Mechanics(), high_water_bytes=300 * 1024, low_water_bytes=150 * 1024)
WARM_UP_S = 12.0
WINDOW_S = 20.0
MARK_S = 0.4
"""High water marks hold at least what is emitted in that time: the 100 MB of a real Heron always
do, and a mark that one drain fills would stop spouts for nothing."""
STATED_SD = 0.15
"""What the profile says of its own numbers' relative spread, where intervals are judged."""
LATENCY_BELOW = 0.9
"""Share of the sustainable load up to which latency is compared: beyond it, it depends on which of
the two is right about the last per cents of capacity."""


def costs_of(m: Mechanics) -> HeronCosts:
    """The simulation's costs in the model's terms."""
    return HeronCosts(
        version="simulation",
        instance_idle_cores=m.bolt_idle_cores,
        spout_idle_cores=m.spout_idle_cores,
        tuple_in_s=m.executor_receive_s + m.gateway_tuple_s,
        tuple_out_s=m.executor_emit_s + m.gateway_tuple_s,
        packet_in_s=m.gateway_receive_packet_s,
        spout_packet_out_s=m.gateway_spout_packet_s + m.spout_cycle_s,
        bolt_packet_out_s=m.gateway_send_packet_s,
        byte_s=m.gateway_byte_s,
        ack_s=m.executor_ack_s,
        manager_idle_cores=m.stmgr_idle_cores,
        manager_spout_packet_s=m.stmgr_packet_s,
        manager_bolt_packet_s=m.stmgr_packet_s,
        manager_packet_out_s=m.stmgr_packet_s,
        manager_tuple_s=m.stmgr_tuple_s,
        manager_ack_s=m.stmgr_ack_s,
        manager_byte_s=m.stmgr_byte_s,
        container_background_cores=m.background_cores + m.export_s / m.export_interval_s,
    )


@dataclass(frozen=True)
class Case:
    """One random system and its load."""

    name: str
    topology: Topology
    plan: Plan
    profile: Profile
    quota_cores: float | None
    load: float
    """Offered over sustainable, by the model."""


@dataclass(frozen=True)
class Outcome:
    """What both say."""

    case: Case
    throughput_error: float
    latency_error: float | None
    predicted_latency_s: float
    simulated_latency_s: float
    throughput_held: bool
    """Whether the interval from the estimated profile holds what was simulated."""
    latency_held: bool | None


def random_case(rng: np.random.Generator, number: int) -> Case:
    """A layered topology of 2 to 6 components under one of the planners."""
    depth = int(rng.integers(1, 4))
    layers = [["s0"]] + [
        [f"b{layer}{i}" for i in range(int(rng.integers(1, 3)))] for layer in range(depth)
    ]
    components = [Component("s0", Kind.SPOUT, int(rng.integers(1, 4)))]
    streams = []
    service, selectivity, sizes = {"s0": 0.0}, {}, {}
    for above, layer in pairwise(layers):
        for name in layer:
            components.append(Component(name, Kind.BOLT, int(rng.integers(1, 5))))
            service[name] = float(rng.choice([50e-6, 100e-6, 200e-6, 400e-6]))
            source = str(rng.choice(above))
            grouping = Grouping(str(rng.choice(["shuffle", "fields", "shuffle", "global"])))
            streams.append(Stream(source, name, f"to-{name}", grouping))
    for stream in streams:
        key = (stream.source, stream.target, stream.stream_id)
        selectivity[key] = float(rng.choice([0.5, 1.0, 1.0, 2.0]))
        sizes[key] = float(rng.choice([100, 300, 600]))
    topology = Topology("t", "t", tuple(components), tuple(streams))
    containers = int(rng.integers(1, min(5, topology.instance_count) + 1))
    planner = str(rng.choice(["round_robin", "stream_affinity", "resource_compliant_rr"]))
    request = Request(topology, Constraints(container_count=containers))
    plan = BUILT_IN[planner](request)
    quota = float(rng.choice([0.4, 0.8, 1.5])) if rng.random() < 0.5 else None
    cores = np.full(plan.container_count, 1e6 if quota is None else quota)
    plan = replace(plan, container_cpu_cores=cores)
    profile = Profile(
        rate_per_s={"s0": 100.0},
        service_s=service,
        selectivity=selectivity,
        tuple_bytes=sizes,
    )
    load = float(rng.uniform(0.1, 1.2))
    rate = 100.0
    for _ in range(6):
        found = predict(topology, plan, _at(profile, rate), costs=costs_of(MECHANICS))
        assert found.sustainable_load_factor is not None
        rate *= max(1e-3, found.sustainable_load_factor)
    return Case(f"{number}:{planner}", topology, plan, _at(profile, rate * load), quota, load)


def _at(profile: Profile, rate: float) -> Profile:
    return replace(profile, rate_per_s={"s0": rate})


def simulated_load(case: Case) -> SimulatedLoad:
    """The case as the simulation takes it."""
    profile = case.profile
    return SimulatedLoad(
        {
            c.name: ComponentLoad(
                rate_per_s=profile.rate_per_s.get(c.name), cpu_s=profile.service_s[c.name]
            )
            for c in case.topology.components
        },
        {
            (s.source, s.target, s.stream_id): StreamLoad(
                selectivity=profile.selectivity[s.source, s.target, s.stream_id],
                tuple_bytes=profile.tuple_bytes[s.source, s.target, s.stream_id],
            )
            for s in case.topology.streams
        },
        quota_cores=case.quota_cores,
    )


def estimated(case: Case, seed: int) -> Profile:
    """The case's profile with every number off by a draw of `STATED_SD`, and saying so."""
    p = case.profile
    names, streams = case.topology.names, case.topology.streams
    keys = [(s.source, s.target, s.stream_id) for s in streams]
    numbers: list[tuple[Quantity, str | StreamKey]] = [
        *((q, n) for n in names for q in ("rate_per_s", "service_s")),
        *((q, k) for k in keys for q in ("selectivity", "tuple_bytes")),
    ]
    every = Origin(Source.MEASURED, STATED_SD)
    stated = replace(p, origin=dict.fromkeys(numbers, every))
    factors = draw_factors(stated, case.topology, DRAWS, seed)
    row = int(np.random.default_rng(seed).integers(DRAWS))
    rate, service = factors.rate[row], factors.service[row]
    return replace(
        stated,
        rate_per_s={n: r * rate[names.index(n)] for n, r in p.rate_per_s.items()},
        service_s={n: t * service[names.index(n)] for n, t in p.service_s.items()},
        selectivity={
            k: p.selectivity[k] * f for k, f in zip(keys, factors.selectivity[row], strict=True)
        },
        tuple_bytes={
            k: p.tuple_bytes[k] * f for k, f in zip(keys, factors.tuple_bytes[row], strict=True)
        },
    )


def mechanics_of(case: Case) -> Mechanics:
    """Water marks that the case's byte rate does not fill within one drain."""
    of = structure(case.topology, case.profile)
    high = max(MECHANICS.high_water_bytes, MARK_S * float(of.emit_bytes_per_s.sum()))
    return replace(MECHANICS, high_water_bytes=high, low_water_bytes=high / 2)


def judge(case: Case, seed: int) -> Outcome:
    """Simulate and predict one case."""
    mechanics = mechanics_of(case)
    runtime = Runtime(
        high_water_bytes=mechanics.high_water_bytes,
        low_water_bytes=mechanics.low_water_bytes,
        metrics_interval_s=mechanics.export_interval_s,
        metrics_export_s=mechanics.export_s,
    )
    costs = costs_of(mechanics)
    found = predict(case.topology, case.plan, case.profile, costs=costs, runtime=runtime)
    result = simulate(
        case.topology, case.plan, simulated_load(case), mechanics,
        seed=seed, warmup_s=WARM_UP_S, window_s=WINDOW_S,
    )  # fmt: skip
    assert found.throughput_per_s is not None
    assert found.latency is not None
    counts = {sink: entry.count for sink, entry in result.sink_latency.items() if entry.count}
    simulated_s = sum(
        result.sink_latency[sink].mean_s * count for sink, count in counts.items()
    ) / max(1, sum(counts.values()))
    estimate = estimated(case, seed)
    likely = spread(
        structure(case.topology, estimate), case.plan,
        draw_factors(estimate, case.topology, DRAWS, SEED), costs=costs, runtime=runtime,
    )  # fmt: skip
    assert likely is not None
    comparable = case.load < LATENCY_BELOW and simulated_s > 0
    return Outcome(
        case,
        found.throughput_per_s / result.throughput_per_s - 1.0,
        found.latency.mean_s / simulated_s - 1.0 if comparable else None,
        found.latency.mean_s,
        simulated_s,
        likely.throughput_per_s.low <= result.throughput_per_s <= likely.throughput_per_s.high,
        likely.latency_mean_s.low <= simulated_s <= likely.latency_mean_s.high
        if comparable
        else None,
    )


def main() -> None:
    """Run the cases and print the errors."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rng = np.random.default_rng(SEED)
    started_s = time.monotonic()
    outcomes = [judge(random_case(rng, i), i) for i in range(cases)]
    throughput = np.array([o.throughput_error for o in outcomes])
    compared = [o for o in outcomes if o.latency_error is not None]
    latency = np.array([o.latency_error for o in compared])
    print(f"{cases} cases in {time.monotonic() - started_s:.0f} s")
    for name, errors, limit in (("throughput", throughput, 0.03), ("mean latency", latency, 0.10)):
        size = np.abs(errors)
        print(
            f"{name}: mean absolute error {size.mean():.1%}, median {np.median(size):.1%}, "
            f"90th percentile {np.quantile(size, 0.9):.1%}, worst {size.max():.1%}, "
            f"bias {errors.mean():+.1%}; within {limit:.0%}: {np.mean(size <= limit):.0%}"
        )
    held = [o.throughput_held for o in outcomes], [bool(o.latency_held) for o in compared]
    print(
        f"80 % intervals of a profile off by {STATED_SD:.0%}: hold {np.mean(held[0]):.0%} of the "
        f"throughputs and {np.mean(held[1]):.0%} of the latencies"
    )
    for title, worst in (
        ("throughput", sorted(outcomes, key=lambda o: -abs(o.throughput_error))[:12]),
        ("latency", sorted(compared, key=lambda o: -abs(o.latency_error or 0.0))[:16]),
    ):
        print(f"\nworst {title}")
        for o in worst:
            streams = o.case.topology.streams
            shape = ", ".join(f"{s.source}-{s.grouping.value}->{s.target}" for s in streams)
            latency_text = "" if o.latency_error is None else f"{o.latency_error:+.1%}"
            print(
                f"  {o.case.name:26} load {o.case.load:.2f} quota {o.case.quota_cores} "
                f"containers {o.case.plan.container_count} instances {o.case.plan.instance_count} "
                f"throughput {o.throughput_error:+.1%} latency {latency_text} "
                f"({1000 * o.predicted_latency_s:.0f} / {1000 * o.simulated_latency_s:.0f} ms) "
                f"{shape}"
            )


if __name__ == "__main__":
    main()
