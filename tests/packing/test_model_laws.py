"""What holds for every topology, plan, load and cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.model import HeronCosts, Prediction, Runtime, predict, predict_placed, structure
from packing.model.demand import demand, place
from packing.plan import Plan
from packing.profile import Profile
from packing.topology import Topology

from . import build
from .strategies import plans, profiles, topologies

CLOSE = 1e-6
FEWER_PACKETS = 0.01
"""What larger packets, which slower code makes, are worth at most."""


def law(*drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test of drawn worlds; fewer than usual, as each is predicted several times."""
    return lambda test: settings(max_examples=60, deadline=None)(given(*drawn)(test))


@dataclass(frozen=True)
class World:
    topology: Topology
    profile: Profile
    plan: Plan
    costs: HeronCosts
    runtime: Runtime

    def predicted(self) -> Prediction:
        return predict(
            self.topology, self.plan, self.profile, costs=self.costs, runtime=self.runtime
        )


COSTS = {
    "instance_idle_cores": 0.02,
    "spout_idle_cores": 0.02,
    "tuple_in_s": 1e-5,
    "tuple_out_s": 1e-5,
    "packet_in_s": 2e-4,
    "spout_packet_out_s": 1e-4,
    "bolt_packet_out_s": 5e-5,
    "byte_s": 2e-9,
    "ack_s": 2e-6,
    "manager_idle_cores": 0.005,
    "manager_spout_packet_s": 5e-5,
    "manager_bolt_packet_s": 5e-5,
    "manager_packet_out_s": 5e-5,
    "manager_tuple_s": 1e-6,
    "manager_remote_in_s": 1e-6,
    "manager_ack_s": 1e-6,
    "manager_byte_s": 1e-9,
    "container_background_cores": 0.02,
    "compiler_bolt_cores": 0.01,
}
"""Largest of each that is drawn."""


@st.composite
def worlds(draw: st.DrawFn, loops: bool = False, pending: bool = False) -> World:
    of = draw(topologies(loops=loops))
    profile = draw(profiles(of, 0.4 / max(1, len(of.streams)) if loops else 2.0))
    waits = {c.name: draw(st.sampled_from([0.0, 0.0, 1e-3])) for c in of.components}
    costs = {name: most * draw(st.sampled_from([0.0, 0.3, 1.0])) for name, most in COSTS.items()}
    acking = pending or draw(st.booleans())
    return World(
        of,
        replace(profile, wait_s=waits),
        draw(plans(of)),
        HeronCosts.of("drawn", costs),
        Runtime(
            acking=acking,
            max_spout_pending=draw(st.integers(1, 2000)) if pending else None,
            enforced_quotas=draw(st.booleans()),
            host_cores=draw(st.sampled_from([None, 8.0])),
            warming_up=draw(st.booleans()),
        ),
    )


def scaled_rates(profile: Profile, by: float, only: str | None = None) -> Profile:
    rates = {k: v * by if only in {None, k} else v for k, v in profile.rate_per_s.items()}
    return replace(profile, rate_per_s=rates)


def factor_of(predicted: Prediction) -> float:
    found = predicted.sustainable_load_factor
    return math.inf if found is None else found


def numbers(of: object) -> Iterator[float]:
    """All numbers anywhere in a prediction."""
    if isinstance(of, int | float):
        yield float(of)
    elif isinstance(of, np.ndarray):
        yield from of.ravel().tolist()
    elif isinstance(of, dict):
        for value in of.values():
            yield from numbers(value)
    elif isinstance(of, tuple):
        for value in of:
            yield from numbers(value)
    elif is_dataclass(of):
        for member in fields(of):
            yield from numbers(getattr(of, member.name))


@law(worlds())
def test_flows_are_conserved(world: World) -> None:
    prepared = structure(world.topology, world.profile)
    placed = place(prepared, world.plan)
    total = prepared.rates.stream_per_s.sum()
    close = {"rel": 1e-9, "abs": 1e-6}
    assert placed.manager_in_per_s.sum() == pytest.approx(total, **close)
    assert placed.local_per_s.sum() + placed.manager_remote_in_per_s.sum() == pytest.approx(
        total, **close
    )
    assert placed.sending.sum(axis=1) == pytest.approx(np.ones(len(placed.sending)))
    parts = np.bincount(world.plan.component, placed.share, len(prepared.spout))
    assert parts == pytest.approx(np.ones(len(parts)))
    predicted = world.predicted()
    sinks = prepared.rates.input_per_s[~prepared.emits & ~prepared.spout].sum()
    assert predicted.throughput_per_s is not None
    assert predicted.delivered_load_factor is not None
    assert predicted.throughput_per_s == pytest.approx(
        sinks * predicted.delivered_load_factor, **close
    )


@law(worlds())
def test_demand_of_instances_adds_up_to_that_of_containers(world: World) -> None:
    placed = place(structure(world.topology, world.profile), world.plan)
    needs = demand(placed, world.costs, world.runtime, 0.7)
    width = world.plan.container_count
    for whole, managers, of_instances, background in (
        (needs.container_fixed, needs.manager_fixed, needs.instance_fixed,
         world.costs.container_background_cores),
        (needs.container_rising, needs.manager_rising, needs.instance_rising, 0.0),
    ):  # fmt: skip
        summed = np.bincount(world.plan.container, of_instances, width)
        assert whole == pytest.approx(summed + managers + background, rel=1e-9, abs=1e-12)
    assert (needs.packets_in_per_s >= 0).all()
    assert (needs.packets_out_per_s >= 0).all()


@law(worlds(), st.floats(1.0, 3.0))
def test_what_load_adds_to_latency_rises_with_rate(world: World, by: float) -> None:
    """All but the drain clock's part, which several senders shorten: their tuples close a set."""
    more = replace(world, profile=scaled_rates(world.profile, by))
    calm, busier = world.predicted(), more.predicted()
    if factor_of(busier) < 1.0 or calm.latency is None or busier.latency is None:
        return
    for part in ("sockets", "blocks", "queueing", "service", "stalls", "buffers"):
        before, after = calm.latency.parts_s[part], busier.latency.parts_s[part]
        assert after >= before * (1 - CLOSE), part


@law(
    st.floats(0.1, 3000.0),
    st.floats(1.0, 3.0),
    st.sampled_from([0.0, 1e-5, 3e-4]),
    st.integers(1, 3),
    st.booleans(),
)
def test_latency_rises_with_rate(
    rate: float, by: float, service_s: float, bolts: int, enforced: bool
) -> None:
    """One sender per container: nothing but the load decides how long a tuple waits."""
    of = build.chain(*([1] * (bolts + 1)))
    placed = build.plan(of, {i + 1: [name] for i, name in enumerate(of.names)})
    runtime = Runtime(enforced_quotas=enforced)

    def at(this: float) -> Prediction:
        load = Profile({"spout": this}, dict.fromkeys(of.names, service_s))
        return predict(of, placed, load, runtime=runtime)

    calm, busier = at(rate), at(rate * by)
    if factor_of(busier) < 1.0 or calm.latency is None or busier.latency is None:
        return
    assert busier.latency.mean_s >= calm.latency.mean_s * (1 - CLOSE)
    assert busier.latency.p50_s >= calm.latency.p50_s * (1 - CLOSE)
    assert busier.latency.p99_s >= calm.latency.p99_s * (1 - CLOSE)


@law(worlds())
def test_figures_of_latency_agree(world: World) -> None:
    found = world.predicted().latency
    assert found is not None
    assert found.mean_s == pytest.approx(math.fsum(found.parts_s.values()))
    assert all(part >= 0 for part in found.parts_s.values())
    assert found.p50_s <= found.mean_s * (1 + CLOSE) <= found.p99_s * (1 + 2 * CLOSE)
    assert (found.complete_s is not None) == (world.runtime.acking and found.mean_s > 0)


@law(worlds(), st.floats(1.0, 4.0))
def test_more_cores_never_lower_the_load(world: World, by: float) -> None:
    larger = replace(
        world, plan=replace(world.plan, container_cpu_cores=world.plan.container_cpu_cores * by)
    )
    before, after = world.predicted(), larger.predicted()
    assert factor_of(after) >= factor_of(before) * (1 - CLOSE)
    assert (after.delivered_load_factor or 0) >= (before.delivered_load_factor or 0) * (1 - CLOSE)


@law(worlds(), st.floats(0.1, 1.0))
def test_faster_user_code_never_lowers_the_load(world: World, by: float) -> None:
    service_s = {name: by * value for name, value in world.profile.service_s.items()}
    faster = replace(world, profile=replace(world.profile, service_s=service_s))
    # A bolt that is done sooner flushes more often, and its readers pay for a few more packets.
    assert factor_of(faster.predicted()) >= factor_of(world.predicted()) * (1 - FEWER_PACKETS)


@law(worlds(), st.floats(0.0, 0.9), st.data())
def test_costs_never_raise_the_load(world: World, by: float, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(COSTS)))
    cheaper = replace(world, costs=replace(world.costs, **{name: by * getattr(world.costs, name)}))
    assert factor_of(cheaper.predicted()) >= factor_of(world.predicted()) * (1 - CLOSE)


@law(worlds(), st.floats(1.0, 5.0), st.data())
def test_more_from_one_spout_never_raises_the_factor(
    world: World, by: float, data: st.DataObject
) -> None:
    spout = data.draw(st.sampled_from(sorted(world.profile.rate_per_s)))
    more = replace(world, profile=scaled_rates(world.profile, by, spout))
    before, after = factor_of(world.predicted()), factor_of(more.predicted())
    assert after <= before * (1 + CLOSE)


@law(worlds(), st.floats(0.2, 5.0))
def test_the_load_that_is_sustainable_does_not_depend_on_the_load_offered(
    world: World, by: float
) -> None:
    before = factor_of(world.predicted())
    after = factor_of(replace(world, profile=scaled_rates(world.profile, by)).predicted())
    assert after * by == pytest.approx(before, rel=CLOSE)


@law(worlds())
def test_no_container_uses_more_than_its_quota(world: World) -> None:
    predicted = world.predicted()
    delivered = predicted.delivered_load_factor
    assert delivered is not None
    assert 0.0 <= delivered <= 1.0
    if not world.runtime.enforced_quotas or delivered == 0.0:
        return
    # What is idle takes its part whatever the quota; only what runs is held back.
    busy = structure(world.topology, world.profile)
    placed = place(busy, world.plan)
    runs = demand(placed, world.costs, world.runtime).container_rising > 0
    used, quota = predicted.container_cpu_cores[runs], world.plan.container_cpu_cores[runs]
    assert (used <= quota * (1 + CLOSE)).all()


@law(worlds(pending=True))
def test_tuples_in_flight_obey_littles_law(world: World) -> None:
    free = replace(world, runtime=replace(world.runtime, max_spout_pending=None)).predicted()
    held = world.predicted()
    delivered, most = held.delivered_load_factor, free.delivered_load_factor
    assert delivered is not None
    assert most is not None
    assert delivered <= most * (1 + CLOSE)
    latency = held.latency
    assert latency is not None
    if latency.complete_s is None or delivered == 0.0:
        return
    spouts = [c for c in world.topology.components if c.name in world.profile.rate_per_s]
    offered = sum(world.profile.rate_per_s[c.name] * c.parallelism for c in spouts)
    pending = world.runtime.max_spout_pending
    assert pending is not None
    allowed = pending * sum(c.parallelism for c in spouts)
    assert delivered * offered * latency.complete_s <= allowed * (1 + CLOSE)


def test_the_pending_limit_is_reached_where_it_holds_back() -> None:
    of = build.topology({"s": 1, "b": 1}, [("s", "b")])
    placed = build.plan(of, {1: ["s"], 2: ["b"]})
    runtime = Runtime(acking=True, max_spout_pending=10)
    load = Profile({"s": 1000.0}, {"s": 0.0, "b": 1e-5})
    predicted = predict(of, placed, load, runtime=runtime)
    assert predicted.latency is not None
    assert predicted.latency.complete_s is not None
    assert predicted.delivered_load_factor is not None
    rate = predicted.delivered_load_factor * 1000.0
    assert rate < 500
    assert rate * predicted.latency.complete_s == pytest.approx(10.0, rel=1e-3)


@law(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_containers_changes_nothing(world: World, random: object) -> None:
    plan = world.plan
    ids = plan.container_ids.tolist()
    other = ids.copy()
    random.shuffle(other)  # type: ignore[attr-defined]
    renamed = dict(zip(ids, other, strict=True))
    moved = Plan.of(
        plan.topology_id,
        plan.components,
        (
            plan.component,
            plan.task_id,
            plan.index,
            np.array([renamed[ids[c]] for c in plan.container.tolist()]),
        ),
        (plan.cpu_cores, plan.ram_bytes, plan.disk_bytes),
        [renamed[i] for i in ids],
        (plan.container_cpu_cores, plan.container_ram_bytes, plan.container_disk_bytes),
    )
    before, after = world.predicted(), replace(world, plan=moved).predicted()
    assert factor_of(after) == pytest.approx(factor_of(before), rel=CLOSE)
    for name in (
        "traffic_tuples_per_s",
        "cross_tuples_per_s",
        "stream_manager_max_tuples_per_s",
        "load_max_over_mean",
        "highest_cpu_utilisation",
        "delivered_load_factor",
        "throughput_per_s",
    ):
        one, same = getattr(before, name), getattr(after, name)
        assert same == pytest.approx(one, rel=CLOSE, abs=1e-6), name
    assert before.latency is not None
    assert after.latency is not None
    assert after.latency.mean_s == pytest.approx(before.latency.mean_s, rel=CLOSE)
    by_id = dict(zip(ids, before.container_cpu_cores.tolist(), strict=True))
    found = dict(zip(moved.container_ids.tolist(), after.container_cpu_cores.tolist(), strict=True))
    for this, cores in by_id.items():
        assert found[renamed[this]] == pytest.approx(cores, rel=CLOSE)


@law(worlds(), st.floats(0.2, 5.0))
def test_a_faster_world_differs_in_time_alone(world: World, by: float) -> None:
    profile = replace(
        scaled_rates(world.profile, by),
        service_s={k: v / by for k, v in world.profile.service_s.items()},
        wait_s={k: v / by for k, v in world.profile.wait_s.items()},
    )
    costs = {k: v / by if k.endswith("_s") else v for k, v in world.costs.values().items()}
    runtime = replace(
        world.runtime,
        drain_period_s=world.runtime.drain_period_s / by,
        hop_s=world.runtime.hop_s / by,
        quota_period_s=world.runtime.quota_period_s / by,
        spout_packets_per_s=world.runtime.spout_packets_per_s * by,
    )
    faster = replace(world, profile=profile, costs=HeronCosts.of("faster", costs), runtime=runtime)
    before, after = world.predicted(), faster.predicted()
    assert factor_of(after) == pytest.approx(factor_of(before), rel=CLOSE)
    assert after.container_cpu_cores == pytest.approx(before.container_cpu_cores, rel=CLOSE)
    assert before.latency is not None
    assert after.latency is not None
    # Stalls are a share of the quota's period, drains of the drain's; a wait that ends just at a
    # drain may miss it for rounding.
    if not world.runtime.acking:
        assert after.latency.mean_s * by == pytest.approx(
            before.latency.mean_s, rel=CLOSE, abs=2 * world.runtime.drain_period_s
        )


@law(worlds())
def test_equal_plans_have_equal_predictions(world: World) -> None:
    prepared = structure(world.topology, world.profile)
    arguments = (False, world.costs, world.runtime)
    first = predict_placed(prepared, world.plan, *arguments)
    assert predict_placed(prepared, replace(world.plan), *arguments) == first
    assert world.predicted() == first


@law(st.booleans().flatmap(lambda loops: worlds(loops=loops)), st.booleans())
def test_every_figure_is_a_number(world: World, silent: bool) -> None:
    if silent:
        world = replace(world, profile=scaled_rates(world.profile, 0.0))
    predicted = world.predicted()
    assert not any(math.isnan(value) for value in numbers(predicted))
    assert predicted.latency is not None
    assert all(math.isfinite(value) for value in numbers(predicted.latency))


@law(worlds())
def test_user_code_that_takes_no_time(world: World) -> None:
    free = replace(
        world,
        profile=replace(
            world.profile,
            service_s=dict.fromkeys(world.topology.names, 0.0),
            wait_s={},
        ),
    )
    predicted = free.predicted()
    assert not any(math.isnan(value) for value in numbers(predicted))
    assert factor_of(predicted) >= factor_of(world.predicted()) * (1 - CLOSE)
