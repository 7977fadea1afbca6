"""Without Heron's overheads the simulation is a textbook queue; SimPy and Ciw agree with it."""

from __future__ import annotations

import math
from dataclasses import replace

import ciw
import numpy as np
import pytest
import simpy

from packing.simulation import ComponentLoad, Mechanics, SimulatedLoad, SimulationResult, simulate
from packing.topology import Topology
from tests.packing.build import plan, topology

TICK_S = 20e-6
"""Drained at every second tick: a tuple waits 0 to 40 us."""
DRAIN_S = TICK_S
BARE = replace(
    Mechanics().without_overheads(), drain_tick_s=TICK_S, drain_slip_share=0.0, drain_slip_s=0.0
)
SERVICE_S = 1e-3


def single() -> Topology:
    return topology({"spout": 1, "b": 1}, [("spout", "b")])


def queue(  # noqa: PLR0917 - everything that makes up a queue
    rate_per_s: float,
    poisson: bool,
    scv: float,
    wait_s: float = 0.0,
    mechanics: Mechanics = BARE,
    window_s: float = 60.0,
) -> SimulationResult:
    of = single()
    load = SimulatedLoad(
        {
            "spout": ComponentLoad(rate_per_s, poisson=poisson),
            "b": ComponentLoad(cpu_s=SERVICE_S - wait_s, cpu_scv=scv, wait_s=wait_s),
        }
    )
    placed = plan(of, {1: ["spout", "b"]})
    return simulate(of, placed, load, mechanics, seed=3, warmup_s=2.0, window_s=window_s)


@pytest.mark.parametrize(("scv", "load"), [(0.0, 0.6), (0.5, 0.6), (1.0, 0.5), (2.0, 0.5)])
def test_poisson_arrivals_wait_as_pollaczek_and_khinchine_say(scv: float, load: float) -> None:
    result = queue(load / SERVICE_S, True, scv)
    waits_s = load * SERVICE_S * (1 + scv) / (2 * (1 - load))
    sojourn_s = result.sink_latency["b"].mean_s - DRAIN_S
    assert sojourn_s == pytest.approx(SERVICE_S + waits_s, rel=0.04)
    assert result.busy.max() == pytest.approx(load, rel=0.02)


def test_equal_gaps_and_equal_services_do_not_wait() -> None:
    result = queue(900.0, False, 0.0)
    latency = result.sink_latency["b"]
    assert latency.mean_s == pytest.approx(SERVICE_S + DRAIN_S, rel=0.02)
    assert latency.quantile_s(0.99) < SERVICE_S + 3 * TICK_S


def test_equal_gaps_and_exponential_services_wait_as_in_d_m_1() -> None:
    load = 0.7
    sigma = 0.5
    for _ in range(200):
        sigma = math.exp(-(1 - sigma) / load)
    result = queue(load / SERVICE_S, False, 1.0, window_s=100.0)
    assert result.sink_latency["b"].mean_s - DRAIN_S == pytest.approx(
        SERVICE_S / (1 - sigma), rel=0.05
    )


def test_equal_gaps_and_gamma_services_follow_lindleys_recursion() -> None:
    load, scv = 0.8, 0.5
    result = queue(load / SERVICE_S, False, scv, window_s=100.0)
    random = np.random.default_rng(0)
    services_s = random.gamma(1 / scv, SERVICE_S * scv, 400_000)
    wait_s, total_s = 0.0, 0.0
    for service_s in services_s:
        total_s += wait_s + service_s
        wait_s = max(0.0, wait_s + service_s - SERVICE_S / load)
    assert result.sink_latency["b"].mean_s - DRAIN_S == pytest.approx(
        total_s / len(services_s), rel=0.05
    )


def test_waiting_without_cpu_takes_time_but_no_cores() -> None:
    result = queue(600.0, True, 0.0, wait_s=0.75e-3)
    assert result.busy.max() == pytest.approx(0.6, rel=0.02)
    assert result.container_cores[0] == pytest.approx(0.15, rel=0.02)
    assert result.sink_latency["b"].mean_s - DRAIN_S == pytest.approx(1.75e-3, rel=0.05)


def test_tandem_agrees_with_ciw() -> None:
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(600.0), None],
        service_distributions=[ciw.dists.Exponential(1000.0), ciw.dists.Deterministic(1.2e-3)],
        number_of_servers=[1, 1],
        routing=[[0.0, 1.0], [0.0, 0.0]],
    )
    ciw.seed(1)
    oracle = ciw.Simulation(network)
    oracle.simulate_until_max_time(40.0)
    second = [r for r in oracle.get_all_records() if r.node == 2 and r.arrival_date > 2.0]
    second_s = np.mean([r.exit_date - r.arrival_date for r in second])
    of = topology({"spout": 1, "a": 1, "b": 1}, [("spout", "a"), ("a", "b")])
    load = SimulatedLoad(
        {
            "spout": ComponentLoad(600.0, poisson=True),
            "a": ComponentLoad(cpu_s=1e-3, cpu_scv=1.0),
            "b": ComponentLoad(cpu_s=1.2e-3),
        }
    )
    # Outputs leave one by one only if every packet ends its cycle.
    mechanics = replace(BARE, execute_batch_s=0.0)
    placed = plan(of, {1: ["spout", "a", "b"]})
    result = simulate(of, placed, load, mechanics, seed=1, warmup_s=2.0, window_s=60.0)
    first_s = SERVICE_S / (1 - 0.6)
    mean_s = result.sink_latency["b"].mean_s - 2 * DRAIN_S
    assert mean_s == pytest.approx(first_s + second_s, rel=0.07)


def test_drained_batches_agree_with_simpy() -> None:
    """The rule of the tuple cache, written a second time as SimPy processes."""
    tick_s, rate_per_s, service_s = 0.012, 500.0, 1.5e-3
    random = np.random.default_rng(2)
    world = simpy.Environment()
    cache: list[float] = []
    arrived = simpy.Store(world)
    latencies_s: list[float] = []

    def source():  # type: ignore[no-untyped-def]
        while True:
            yield world.timeout(random.exponential(1 / rate_per_s))
            cache.append(world.now)

    def timer():  # type: ignore[no-untyped-def]
        drained_last = False
        while True:
            yield world.timeout(tick_s)
            drained_last = bool(cache) and not drained_last
            if drained_last:
                arrived.put(list(cache))
                cache.clear()

    def server():  # type: ignore[no-untyped-def]
        while True:
            batch = yield arrived.get()
            for created_s in batch:
                yield world.timeout(service_s)
                latencies_s.append(world.now - created_s)

    for process in (source(), timer(), server()):  # type: ignore[no-untyped-call]
        world.process(process)
    world.run(until=200.0)

    of = single()
    load = SimulatedLoad(
        {"spout": ComponentLoad(rate_per_s, poisson=True), "b": ComponentLoad(cpu_s=service_s)}
    )
    mechanics = replace(BARE, drain_tick_s=tick_s)
    placed = plan(of, {1: ["spout", "b"]})
    result = simulate(of, placed, load, mechanics, seed=1, warmup_s=2.0, window_s=200.0)
    latency = result.sink_latency["b"]
    assert latency.mean_s == pytest.approx(float(np.mean(latencies_s)), rel=0.04)
    for share in (0.5, 0.95):
        assert latency.quantile_s(share) == pytest.approx(
            float(np.quantile(latencies_s, share)), rel=0.05
        )
