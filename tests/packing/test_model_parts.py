"""Parts of the model against their definitions, instance by instance and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.arrays import Floats
from packing.model import NO_COSTS, HeronCosts, Runtime, Structure, predict, structure
from packing.model.demand import Demand, demand, place
from packing.model.packets import (
    ACKED_PACKETS_PER_TUPLE,
    KINDS,
    TURNS_OF_BOLTS,
    WAKING_PACKETS,
)
from packing.model.saturation import saturation
from packing.plan import Plan
from packing.profile import Profile
from packing.resources import GIB, Resources
from packing.topology import Grouping

from . import build
from .test_model_laws import World, worlds

LARGE = Resources(8.0, 8 * GIB, GIB)


def packets_by_definition(  # noqa: PLR0917 - one instance after the other, nothing shared
    prepared: Structure, plan: Plan, costs: HeronCosts, runtime: Runtime, factor: float, duty: float
) -> tuple[Floats, Floats]:
    """Packets into and out of every instance, one after the other, sources first."""
    s = prepared
    placed = place(s, plan)
    share = placed.share
    work = demand(placed, costs, runtime).work
    rate = s.rates.input_per_s * factor
    drains = duty / runtime.drain_period_s
    into, out = np.zeros(len(share)), np.zeros(len(share))
    for v in s.order:
        for i in np.flatnonzero(plan.component == v):
            tuples = rate[v] * share[i]
            changes = s.stream_changes_per_s[v] * factor * share[i]
            if s.spout[v]:
                rounds = min(tuples, runtime.spout_packets_per_s)
                out[i] = max(rounds, changes) * duty
                into[i] = min(tuples, drains) if runtime.acking else 0.0
                continue
            bursts = 0.0
            for container in range(plan.container_count):
                flow = came = 0.0
                runs, followed, senders = 0.0, 0.0, 0.0
                for u in range(len(s.spout)):
                    streams = [
                        q for q in range(len(s.source)) if (s.source[q], s.target[q]) == (u, v)
                    ]
                    stream = sum(float(s.rates.stream_per_s[q]) for q in streams) * factor
                    here = np.flatnonzero((plan.component == u) & (plan.container == container))
                    if not len(here) or not streams:
                        continue
                    flow += stream * share[here].sum() * share[i]
                    came += len(streams) * out[here].sum()
                    of = placed.own.get(u)
                    members = plan.component == u
                    if of is None:
                        number = float(len(here))
                        flush = min(tuples_of(u, here[0], rate, share), runtime.spout_packets_per_s)
                        flush = flush if s.spout[u] else out[here[0]]
                    else:
                        number = share[here].sum() ** 2 / (share[here] ** 2).sum()
                        flush = float((share[members] * out[members]).sum())
                    if number == 0 or flush <= 0 or stream <= 0:
                        continue
                    run = min(stream * share[here].sum() / number * share[i], flush)
                    regular = run / flush if s.spout[u] else TURNS_OF_BOLTS
                    senders += number * len(streams)
                    runs += number * run
                    followed += number * run * run * (1.0 - regular)
                calm = min(flow, drains, came)
                closed = runs - followed / runs if senders > 1 + 1e-9 and runs > 0 else 0.0
                closed = closed if duty == 1.0 else 0.0
                met = min(1.0, closed * runtime.drain_period_s / 2)
                into[i] += closed + calm * (1.0 - met)
                bursts += met / (runtime.drain_period_s / 2) + calm * (1.0 - met)
            emitted = s.emit_per_s[v] * factor * share[i]
            handing_s = into[i] * work.packet_in_s[v]
            idle = max(0.0, 1.0 - tuples * work.service_s[v] / handing_s) if handing_s > 0 else 0.0
            if s.emits[v] and runtime.acking:
                out[i] = ACKED_PACKETS_PER_TUPLE * tuples
            elif s.emits[v]:
                flushes = bursts + (into[i] - bursts) * idle / (1.0 + WAKING_PACKETS)
                out[i] = max(min(flushes, emitted), changes)
            elif runtime.acking:
                out[i] = into[i]
    return into, out


def tuples_of(u: int, instance: int, rate: Floats, share: Floats) -> float:
    """Tuples/s that one instance of component u executes or, as a spout, makes."""
    return float(rate[u] * share[instance])


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from([0.01, 0.3, 1.0, 7.0]), st.sampled_from([0.35, 1.0]))
def test_packets_follow_their_definition(world: World, factor: float, duty: float) -> None:
    prepared = structure(world.topology, world.profile)
    found = demand(place(prepared, world.plan), world.costs, world.runtime, factor, duty)
    into, out = packets_by_definition(
        prepared, world.plan, world.costs, world.runtime, factor, duty
    )
    assert found.packets_in_per_s == pytest.approx(into, rel=1e-9, abs=1e-9)
    assert found.packets_out_per_s == pytest.approx(out, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("skewed", [3, 500])
def test_packets_to_many_instances_of_different_shares(skewed: int) -> None:
    random = np.random.default_rng(3)
    weights = random.random(skewed) ** 4
    of = build.topology({"s": 40, "b": skewed}, [("s", "b", Grouping.FIELDS)])
    names = ["s"] * 40 + ["b"] * skewed
    placed = build.plan(of, {c + 1: names[c::20] for c in range(20)}, container=LARGE)
    load = Profile({"s": 300.0}, key_shares={("s", "b", "default"): tuple(weights / weights.sum())})
    into, _ = packets_by_definition(structure(of, load), placed, NO_COSTS, Runtime(), 1.0, 1.0)
    found = demand(place(structure(of, load), placed), NO_COSTS, Runtime())
    # Many shares are interpolated; those below a ten-thousandth of the largest count as that.
    close = {"rel": 1e-9} if skewed < KINDS else {"rel": 0.1, "abs": 2e-4 * into.max()}
    assert found.packets_in_per_s == pytest.approx(into, **close)


def fullest(needs: Demand, x: float, cores: Floats, runtime: Runtime) -> float:
    """Need over capacity of the fullest server, with packets as `needs` has them."""
    rising = needs.container_rising > 0
    quota = cores if runtime.enforced_quotas else np.full(len(cores), np.inf)
    used = needs.container_fixed + x * needs.container_rising
    ratios = [*(used / quota)[rising].tolist()]
    managed = needs.manager_rising > 0
    ratios += (needs.manager_fixed + x * needs.manager_rising)[managed].tolist()
    ratios += (x * needs.thread_rising).tolist()
    if runtime.host_cores is not None and rising.any():
        ratios.append(float(used.sum()) / runtime.host_cores)
    return max(ratios, default=0.0)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_the_sustainable_load_is_the_largest_that_fits(world: World) -> None:
    placed = place(structure(world.topology, world.profile), world.plan)
    cores = world.plan.container_cpu_cores
    found = saturation(placed, world.costs, world.runtime, cores).sustainable
    if not np.isfinite(found):
        return
    for x, fits in ((found * (1 - 1e-6), True), (found * (1 + 1e-6) + 1e-12, False)):
        needs = demand(placed, world.costs, world.runtime, x)
        assert (fullest(needs, x, cores, world.runtime) <= 1.0) == (fits and found > 0)


def test_packets_that_cost_more_than_tuples_do_not_make_the_search_swing() -> None:
    # Below the pace of the clock a packet carries one tuple, so that packets fall with load.
    of = build.topology({"s": 1, "b": 8}, [("s", "b")])
    placed = build.plan(of, {1: ["s"], 2: ["b"] * 8}, container=Resources(0.05, GIB, GIB))
    costs = HeronCosts("packets", packet_in_s=1e-3, tuple_in_s=1e-6)
    predicted = predict(of, placed, Profile({"s": 300.0}, {"s": 0.0, "b": 0.0}), costs=costs)
    # 0.05 cores are 49.95 packets of 1 ms with a tuple of 1 us each: 300/s of them fit 1/6.
    assert predicted.sustainable_load_factor == pytest.approx(0.05 / (1.001e-3 * 300.0))
    assert predicted.delivered_load_factor == pytest.approx(predicted.sustainable_load_factor)
    assert predicted.container_cpu_cores[1] == pytest.approx(0.05)


def test_a_silent_spout_beside_a_busy_one_stays_at_zero() -> None:
    # Solving for the rates leaves 1e-16 of the busy spout's tuples to the silent one.
    streams = [("s1", "b"), *[("s0", "b", Grouping.SHUFFLE)] * 5]
    of = build.topology({"s0": 1, "s1": 1, "b": 1}, streams)
    load = Profile(
        {"s0": 0.0, "s1": 49.0},
        selectivity={("s1", "b", "default"): 0.3125, ("s0", "b", "default"): 0.1},
    )
    assert (structure(of, load).rates.input_per_s >= 0).all()


def test_tuples_arrive_where_their_keys_are() -> None:
    of = build.topology({"s": 1, "b": 2}, [("s", "b", Grouping.FIELDS)])
    load = Profile({"s": 100.0}, key_shares={("s", "b", "default"): (0.9, 0.1)})
    near = build.plan(of, {1: ["s", "b"], 2: ["b"]})
    far = replace(near, index=np.array([0, 1, 0]))
    assert predict(of, near, load).cross_tuples_per_s == pytest.approx(10.0)
    assert predict(of, far, load).cross_tuples_per_s == pytest.approx(90.0)


def test_one_and_two_hops_take_what_was_measured() -> None:
    # One hop 15.0 ms; two hops over two containers 31.0, inside one container 39.1.
    runtime = Runtime(enforced_quotas=False)

    def mean_ms(containers: dict[int, list[str]], bolts: int) -> float:
        of = build.chain(*([1] * (bolts + 1)))
        load = Profile({"spout": 500.0}, dict.fromkeys(of.names, 1e-6))
        found = predict(of, build.plan(of, containers), load, runtime=runtime).latency
        assert found is not None
        return 1000 * found.mean_s

    assert mean_ms({1: ["spout"], 2: ["b1"]}, 1) == pytest.approx(15.0, abs=0.5)
    assert mean_ms({1: ["spout"], 2: ["b1"], 3: ["b2"]}, 2) == pytest.approx(31.0, abs=1.5)
    assert mean_ms({1: ["spout", "b1", "b2"]}, 2) == pytest.approx(39.1, abs=4.0)


def test_a_loop_is_passed_as_often_as_its_gain_says() -> None:
    # A tuple goes round with probability 1/2: b executes two per tuple of the spout, half of them
    # after one hop, a quarter after two, and so on: two hops on average.
    of = build.topology({"s": 1, "b": 1, "c": 1}, [("s", "b"), ("b", "b"), ("b", "c")])
    load = Profile(
        {"s": 1000.0},
        dict.fromkeys(of.names, 0.0),
        selectivity={("b", "b", "default"): 0.5, ("b", "c", "default"): 0.5},
    )
    plan = build.plan(of, {1: ["s"], 2: ["b"], 3: ["c"]})
    runtime = Runtime(enforced_quotas=False)
    found = predict(of, plan, load, runtime=runtime).latency
    assert found is not None
    assert found.parts_s["sockets"] == pytest.approx(3 * runtime.hop_s)


def test_saturated_and_limited_tuples_in_flight_share_the_buffers() -> None:
    # 10 ms per tuple allow 100/s; 50 tuples in flight then take half a second, whatever the size
    # of the buffers, and do not slow it down further.
    of = build.topology({"s": 1, "b": 1}, [("s", "b")])
    plan = build.plan(of, {1: ["s"], 2: ["b"]}, container=LARGE)
    load = Profile({"s": 1000.0}, {"s": 0.0, "b": 0.01})
    runtime = Runtime(acking=True, max_spout_pending=50)
    predicted = predict(of, plan, load, runtime=runtime)
    assert predicted.delivered_load_factor == pytest.approx(0.1)
    assert predicted.latency is not None
    assert predicted.latency.complete_s == pytest.approx(0.5, rel=0.35)
