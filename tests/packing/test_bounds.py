"""Bounds of a request: true for every placement of small topologies, and tight where known."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from bridge.comparison import request_for
from bridge.heron_costs import shipped_costs
from bridge.workload import load_workload, workload_paths
from packing.bounds import Effort, bounds_for, bounds_within, gaps
from packing.bounds.limits import plan_limits, requested_limits
from packing.bounds.sentences import against_bounds
from packing.choose import choose, judge
from packing.constraints import Constraints
from packing.disruption import disruption
from packing.errors import PackingError
from packing.model import predict_placed
from packing.plan import Plan
from packing.planners import BUILT_IN
from packing.planners.round_robin import round_robin
from packing.planners.stream_affinity import stream_affinity
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB
from packing.scheduler import rules_for
from packing.topology import Component, Grouping, Kind, Stream, Topology
from tests.packing.build import DATA, plan, topology
from tests.packing.strategies import pack_requests, repack_requests, topologies

WORKLOADS = {path.stem: path for path in workload_paths([DATA / "topologies"])}
OPTIMA = json.loads((DATA / "baseline_optimum.json").read_text())["topologies"]
COSTS = shipped_costs().costs


def partitions(items: int, parts: int) -> Iterator[tuple[int, ...]]:
    """Every way to put items into exactly that many unnamed boxes: each item's box."""

    def extend(found: tuple[int, ...], used: int) -> Iterator[tuple[int, ...]]:
        left = items - len(found)
        if used + left < parts:
            return
        if not left:
            yield found
            return
        for box in range(min(used + 1, parts)):
            yield from extend((*found, box), max(used, box + 1))

    return extend((), 0)


def placements(of: Topology, containers: int, cores: float) -> Iterator[Plan]:
    """Every plan with that many containers of `cores`."""
    component = np.repeat(np.arange(len(of.components)), [c.parallelism for c in of.components])
    index = np.concatenate([np.arange(c.parallelism) for c in of.components])
    n = len(component)
    instance = (np.full(n, 0.1), np.full(n, GIB), np.full(n, GIB))
    container = (
        np.full(containers, cores),
        np.full(containers, n * GIB),
        np.full(containers, n * GIB),
    )
    for boxes in partitions(n, containers):
        yield Plan.of(
            of.topology_id,
            of.names,
            (component, np.arange(1, n + 1), index, np.array(boxes) + 1),
            instance,
            np.arange(1, containers + 1),
            container,
        )


@st.composite
def loads(draw: st.DrawFn, of: Topology) -> Profile:
    """Loads that fill threads, containers or stream managers, with keys even or not."""
    streams = [(s.source, s.target, s.stream_id) for s in of.streams]
    keyed = {}
    for stream in of.streams:
        readers = of.component(stream.target).parallelism
        if stream.grouping is Grouping.FIELDS and readers > 1 and draw(st.booleans()):
            weights = draw(st.lists(st.integers(1, 9), min_size=readers, max_size=readers))
            keyed[stream.source, stream.target, stream.stream_id] = tuple(
                weight / sum(weights) for weight in weights
            )
    return Profile(
        rate_per_s={
            c.name: draw(st.sampled_from([0.0, 10.0, 400.0, 5e3, 2e5]))
            for c in of.components
            if c.kind is Kind.SPOUT
        },
        service_s={name: draw(st.sampled_from([0.0, 1e-6, 1e-4, 2e-3])) for name in of.names},
        selectivity={key: draw(st.sampled_from([0.0, 0.1, 1.0, 3.0])) for key in streams},
        tuple_bytes={key: draw(st.sampled_from([10.0, 1000.0])) for key in streams},
        key_shares=keyed,
    )


@st.composite
def loaded_requests(draw: st.DrawFn) -> tuple[Request, int, float]:
    """A request with few instances, how many containers, and their cores."""
    of = draw(topologies(max_components=3, max_parallelism=3, loops=False))
    assume(of.instance_count <= 6)
    acking = draw(st.booleans())
    request = Request(
        of,
        Constraints(
            component_cpu_cores=dict.fromkeys(of.names, 0.1),
            max_instances=draw(st.none() | st.integers(2, 4)),
            acking=acking,
        ),
        profile=draw(loads(of)),
        costs=draw(st.sampled_from([COSTS, COSTS, replace(COSTS, manager_tuple_s=5e-5)])),
    )
    containers = draw(st.integers(1, of.instance_count))
    return request, containers, draw(st.sampled_from([0.05, 0.3, 1.0, 2.0]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(loaded_requests())
def test_no_placement_is_better_than_its_bounds(drawn: tuple[Request, int, float]) -> None:
    request, containers, cores = drawn
    limits = replace(
        requested_limits(request),
        containers=containers,
        container_cores=cores,
        total_cores=containers * cores,
    )
    bounds = bounds_within(request, limits)
    cheap = bounds_within(request, limits, effort=Effort(nodes=0))
    assert cheap.cross_tuples_per_s.value <= bounds.cross_tuples_per_s.value * (1 + 1e-6)
    least_cross, most_load, fits = math.inf, 0.0, False
    for this in placements(request.topology, containers, cores):
        if this.counts.sum(axis=0).max() > limits.max_instances:
            continue
        fits = True
        found = predict_placed(request.prepared, this, False, request.costs, request.runtime)
        assert found.traffic_tuples_per_s == pytest.approx(bounds.traffic_tuples_per_s)
        least_cross = min(least_cross, found.cross_tuples_per_s)
        if found.sustainable_load_factor is not None:
            most_load = max(most_load, found.sustainable_load_factor)
    assume(fits)
    room = 1e-8 * bounds.traffic_tuples_per_s
    assert bounds.cross_tuples_per_s.value <= least_cross + room
    if bounds.sustainable_load_factor is not None:
        assert most_load <= bounds.sustainable_load_factor.value
    else:
        assert most_load == 0.0 or math.isinf(most_load)
    assert bounds.containers.value <= containers


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(pack_requests(max_parallelism=6) | repack_requests(), st.booleans())
def test_no_planner_is_better_than_its_bounds(request: Request, costly: bool) -> None:
    request = replace(request, costs=COSTS) if costly else request
    for name, planner in BUILT_IN.items():
        try:
            candidate = judge(name, planner(request), request)
        except PackingError:
            continue
        if candidate.plan is None or candidate.prediction is None:
            continue
        this, found = candidate.plan, candidate.prediction
        bounds = bounds_for(request, this)
        assert bounds.containers.value <= this.container_count
        room = 1e-8 * found.traffic_tuples_per_s
        assert bounds.cross_tuples_per_s.value <= found.cross_tuples_per_s + room
        if found.sustainable_load_factor is not None:
            assert bounds.sustainable_load_factor is not None
            assert found.sustainable_load_factor <= bounds.sustainable_load_factor.value
        if request.current is not None:
            changed = disruption(this, request.current)
            disturbed = changed.moved_instances + changed.stopped_instances
            assert bounds.disturbed_instances.value <= disturbed


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_the_best_known_plans_are_within_the_bounds(name: str) -> None:
    request = request_for(load_workload(WORKLOADS[name]))
    best = stream_affinity(request)
    found = judge("stream_affinity", best, request).prediction
    assert found is not None
    bounds = bounds_for(request, best)
    assert bounds.cross_fraction <= found.cross_fraction + 1e-9
    assert bounds.containers.value <= best.container_count
    assert bounds.sustainable_load_factor is not None and found.sustainable_load_factor is not None
    assert found.sustainable_load_factor <= bounds.sustainable_load_factor.value
    # The optimiser's plans have at most as many containers.
    asked = requested_limits(request)
    fewest = int(bounds_within(request, asked, effort=Effort(nodes=0)).containers.value)
    with_fewer = [
        bounds_within(request, replace(asked, containers=count)).cross_fraction
        for count in np.linspace(fewest, asked.containers, 8).astype(int).tolist()
    ]
    assert min(with_fewer) <= OPTIMA[name]["best"] + 1e-4


def shuffled(of: Plan, seed: int) -> Plan:
    """The same instances anywhere in the same containers; none empty."""
    random = np.random.default_rng(seed)
    order = random.permutation(of.instance_count)
    container = of.container[order]
    if seed % 2:  # uneven as well
        container = random.integers(0, of.container_count, of.instance_count)
        container[order[: of.container_count]] = np.arange(of.container_count)
    return Plan.of(
        of.topology_id,
        of.components,
        (of.component, of.task_id, of.index, of.container_ids[container]),
        (of.cpu_cores, of.ram_bytes, of.disk_bytes),
        of.container_ids,
        (of.container_cpu_cores, of.container_ram_bytes, of.container_disk_bytes),
    )


def with_skewed_keys(request: Request) -> Request:
    """All streams by keys whose frequencies follow Zipf's law with 1.2."""
    streams = tuple(replace(s, grouping=Grouping.FIELDS) for s in request.topology.streams)
    keys = {f"key {i}": (i + 1) ** -1.2 for i in range(1000)}
    weights = {(s.source, s.target, s.stream_id): keys for s in streams}
    return replace(
        request,
        topology=replace(request.topology, streams=streams),
        profile=replace(request.profile, key_weights=weights),
    )


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("name", ["wordcount-100", "dag2-50", "pageload-1000", "star-500"])
def test_no_random_placement_is_better_than_its_bounds(name: str, skewed: bool) -> None:
    request = request_for(load_workload(WORKLOADS[name]))
    request = with_skewed_keys(request) if skewed else request
    start = stream_affinity(request)
    for seed in range(6):
        this = shuffled(start, seed) if seed else start
        bounds = bounds_for(request, this)
        found = predict_placed(request.prepared, this, False, request.costs, request.runtime)
        assert bounds.cross_fraction <= found.cross_fraction + 1e-9
        assert bounds.sustainable_load_factor is not None
        assert found.sustainable_load_factor is not None
        assert found.sustainable_load_factor <= bounds.sustainable_load_factor.value


SOLVED = [name for name in sorted(WORKLOADS) if int(name.rpartition("-")[2]) <= 100]


@pytest.mark.parametrize("name", SOLVED)
def test_the_configuration_lp_is_solved(name: str) -> None:
    request = request_for(load_workload(WORKLOADS[name]))
    asked = requested_limits(request)
    fewest = int(bounds_within(request, asked, effort=Effort(nodes=0)).containers.value)
    assert bounds_within(request, asked).cross_tuples_per_s.how == "configuration LP"
    least = min(
        bounds_within(
            request, replace(asked, containers=count), effort=Effort(nodes=1_000_000)
        ).cross_fraction
        for count in range(fewest, asked.containers + 1)
    )
    # The same LP by another program, for at most that many containers, which may be empty.
    assert least >= OPTIMA[name]["bound"] - 1e-4
    if request.topology.instance_count >= 50:
        assert least == pytest.approx(OPTIMA[name]["bound"], abs=1e-3)


def lonely(count: int, cores: float, **profile: object) -> Request:
    """One spout that sends to one bolt, `count` instances each, and enough of everything else."""
    of = topology({"spout": count, "bolt": count}, [("spout", "bolt")])
    return Request(
        of,
        Constraints(container_count=count, component_cpu_cores={"spout": 0.1, "bolt": 0.1}),
        rules_for("kubernetes"),
        profile=Profile(**profile),  # type: ignore[arg-type]
    )


def test_a_thread_limits_wherever_it_runs() -> None:
    request = lonely(2, 1.0, rate_per_s={"spout": 100.0}, service_s={"spout": 0.0, "bolt": 0.002})
    bounds = bounds_within(
        request, replace(requested_limits(request), container_cores=9.0, total_cores=18.0)
    )
    assert bounds.sustainable_load_factor is not None
    assert bounds.sustainable_load_factor.value == pytest.approx(5.0)
    assert bounds.sustainable_load_factor.how == "thread of bolt"


def test_all_containers_together_limit() -> None:
    # 200 tuples/s of 2 ms take 0.4 cores, and 0.2 are there.
    request = lonely(2, 1.0, rate_per_s={"spout": 100.0}, service_s={"spout": 0.0, "bolt": 0.002})
    bounds = bounds_within(
        request, replace(requested_limits(request), container_cores=0.15, total_cores=0.2)
    )
    assert bounds.sustainable_load_factor is not None
    assert bounds.sustainable_load_factor.value == pytest.approx(0.5, rel=2e-4)
    assert bounds.sustainable_load_factor.how == "CPU of all containers"


def test_large_instances_cannot_be_shared_out_evenly() -> None:
    # Three bolts of 0.2 cores in two containers of 0.3: two share one, though 0.6 are there.
    of = topology({"spout": 1, "bolt": 3}, [("spout", "bolt")])
    request = Request(
        of,
        Constraints(container_count=2),
        rules_for("yarn"),
        profile=Profile(rate_per_s={"spout": 300.0}, service_s={"spout": 0.0, "bolt": 0.002}),
    )
    limits = replace(requested_limits(request), container_cores=0.3, total_cores=0.6)
    bounds = bounds_within(request, limits)
    assert bounds.sustainable_load_factor is not None
    assert bounds.sustainable_load_factor.value == pytest.approx(0.75, rel=2e-4)
    assert bounds.sustainable_load_factor.how == "CPU of a container"
    best = max(
        predict_placed(request.prepared, this, False).sustainable_load_factor or 0.0
        for this in placements(of, 2, 0.3)
    )
    assert best == pytest.approx(0.75)


def test_a_bolt_that_emits_little_sends_few_packets() -> None:
    of = topology({"spout": 3, "b1": 1, "b2": 1}, [("spout", "b1"), ("b1", "b2")])
    request = Request(
        of,
        Constraints(container_count=5),
        profile=Profile(
            rate_per_s={"spout": 10.0},
            service_s=dict.fromkeys(of.names, 0.0),
            selectivity={("spout", "b1", "default"): 0.1, ("b1", "b2", "default"): 0.1},
        ),
        costs=COSTS,
    )
    limits = replace(requested_limits(request), container_cores=0.05, total_cores=0.25)
    bound = bounds_within(request, limits).sustainable_load_factor
    (apart,) = placements(of, 5, 0.05)
    found = predict_placed(request.prepared, apart, False, request.costs, request.runtime)
    assert bound is not None and found.sustainable_load_factor is not None
    assert found.sustainable_load_factor <= bound.value <= 1.5 * found.sustainable_load_factor


def test_without_a_load_only_the_rest_is_bounded() -> None:
    bounds = bounds_for(lonely(2, 1.0))
    assert bounds.sustainable_load_factor is None
    assert 0 < bounds.cross_fraction < 1


def test_one_container_keeps_everything() -> None:
    of = topology({"spout": 3, "bolt": 4}, [("spout", "bolt")])
    bounds = bounds_for(Request(of, Constraints(container_count=1)))
    assert bounds.cross_fraction == 0.0
    assert bounds.containers.value == 1


def test_a_hot_instance_bounds_more_than_even_ones() -> None:
    # All of one container's tuples go to one bolt: it can be beside half of the spouts at most.
    def bounded(grouping: Grouping) -> float:
        of = topology({"spout": 4, "bolt": 4}, [("spout", "bolt", grouping)])
        limits = Constraints(container_count=2, max_instances=4)
        return bounds_for(Request(of, limits)).cross_fraction

    assert bounded(Grouping.GLOBAL) == pytest.approx(0.25)
    assert bounded(Grouping.SHUFFLE) == pytest.approx(0.5)


def test_skewed_keys_are_bounded_closer_in_more_classes() -> None:
    of = topology({"spout": 8, "bolt": 12}, [("spout", "bolt", Grouping.FIELDS)])
    shares = np.array([1.0 / (i + 1) for i in range(12)])
    keys = {("spout", "bolt", "default"): tuple((shares / shares.sum()).tolist())}
    request = Request(
        of, Constraints(container_count=4, max_instances=6), profile=Profile(key_shares=keys)
    )
    limits = requested_limits(request)
    found = [
        bounds_within(request, limits, effort=Effort(classes=classes)).cross_fraction
        for classes in (3, 6, 13)
    ]
    assert found == sorted(found)
    assert found[0] < found[-1] - 0.01
    placed = judge("stream_affinity", stream_affinity(request), request).prediction
    assert placed is not None
    assert found[-1] <= placed.cross_fraction


def test_ids_that_decide_who_is_hot_leave_traffic_unbounded() -> None:
    of = Topology(
        "id",
        "t",
        (Component("s", Kind.SPOUT, 2), Component("b", Kind.BOLT, 2)),
        (
            Stream("s", "b", "keyed", Grouping.FIELDS),
            Stream("s", "b", "first", Grouping.GLOBAL),
        ),
    )
    keys = {("s", "b", "keyed"): (0.9, 0.1)}
    request = Request(of, Constraints(container_count=2), profile=Profile(key_shares=keys))
    bounds = bounds_for(request)
    assert bounds.cross_tuples_per_s.value == 0.0
    assert bounds.cross_tuples_per_s.how == "ids decide which instances are hot"


def test_a_plan_that_takes_more_than_stated_is_measured_by_what_it_takes() -> None:
    of = topology({"spout": 2, "bolt": 2}, [("spout", "bolt")])
    request = Request(of, Constraints(container_count=2, max_instances=2))
    crowded = plan(of, {1: ["spout", "bolt", "bolt"], 2: ["spout"]})
    assert requested_limits(request).max_instances == 2
    assert plan_limits(request, crowded).max_instances == 3
    found = judge("x", crowded, request).prediction
    assert found is not None
    bounds = bounds_for(request, crowded)
    assert bounds.cross_fraction == pytest.approx(0.5)
    assert gaps(crowded, found, bounds).cross_fraction == pytest.approx(0.0, abs=1e-6)


def test_gaps_are_what_another_plan_could_gain() -> None:
    of = topology({"spout": 2, "bolt": 2}, [("spout", "bolt")])
    request = Request(of, Constraints(container_count=2, max_instances=2))
    apart = plan(of, {1: ["spout", "spout"], 2: ["bolt", "bolt"]})
    found = judge("x", apart, request).prediction
    assert found is not None
    bounds = bounds_for(request, apart)
    gap = gaps(apart, found, bounds)
    assert gap.cross_fraction == pytest.approx(0.5)
    assert (gap.containers, gap.disturbed_instances, gap.sustainable_load) == (0, 0, None)
    assert against_bounds(found, bounds, gap) == [
        "cross traffic 100.0%, at least 50.0% with 2 containers of this size (by configuration LP)"
    ]


def test_a_decision_tells_how_near_its_plan_is() -> None:
    request = request_for(load_workload(WORKLOADS["dag1-50"]))
    decision = choose(request, {"round_robin": round_robin})
    assert decision.bounds is not None and decision.gaps is not None
    prediction = decision.chosen.prediction
    assert prediction is not None
    missing = prediction.cross_fraction - decision.bounds.cross_fraction
    assert decision.gaps.cross_fraction == pytest.approx(missing) and missing > 0.05
    told = [reason for reason in decision.reasons if reason.startswith("cross traffic ")]
    assert told == [
        f"cross traffic {prediction.cross_fraction:.1%}, at least "
        f"{decision.bounds.cross_fraction:.1%} with 13 containers of this size "
        "(by configuration LP)"
    ]


def fewest_disturbed(request: Request, containers: int) -> float:
    """Running instances that stop or move at least, by trying every update."""
    current = request.current
    assert current is not None
    names = request.topology.names
    wanted = [request.parallelism[name] for name in names]
    ids = current.container_ids.tolist()
    fresh = range(max(ids) + 1, max(ids) + 1 + containers)
    places = [0, *ids, *fresh]
    least = math.inf
    for to in itertools.product(places, repeat=current.instance_count):
        kept = np.bincount(
            [c for c, place in zip(current.component.tolist(), to, strict=True) if place],
            minlength=len(names),
        )
        if any(k > w for k, w in zip(kept.tolist(), wanted, strict=True)):
            continue
        new = sum(wanted) - int(kept.sum())
        used = {place for place in to if place}
        # New instances fill what else is wanted, or go to where some are already.
        if not (len(used) <= containers <= len(used) + new) or (not used and not new):
            continue
        highest = request.scheduler.keeps_contiguous_ids
        if highest and any(place > containers for place in used):
            continue
        stays = [place == ids[at] for place, at in zip(to, current.container.tolist(), strict=True)]
        least = min(least, stays.count(False))
    return least


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(repack_requests(), st.integers(1, 4))
def test_no_update_disturbs_fewer(request: Request, containers: int) -> None:
    assert request.current is not None
    assume(request.current.instance_count <= 5)
    assume(containers <= sum(request.parallelism.values()))
    limits = replace(requested_limits(request), containers=containers)
    bound = bounds_within(request, limits, effort=Effort(nodes=0)).disturbed_instances.value
    assert bound <= fewest_disturbed(request, containers)


@pytest.mark.parametrize(
    ("scheduler", "deltas", "containers", "least"),
    [
        ("yarn", {}, 3, 0),
        ("yarn", {"bolt": 2}, 3, 0),
        ("yarn", {"bolt": -1}, 3, 1),
        ("yarn", {}, 2, 1),  # container 2 is given up
        ("kubernetes", {}, 2, 3),  # container 3 must be
        ("yarn", {}, 1, 3),
        ("yarn", {"bolt": -2}, 2, 2),  # one of them may be the one in container 2
        ("yarn", {"spout": -1}, 2, 2),
        ("yarn", {}, 5, 2),
        ("yarn", {"bolt": 1}, 5, 1),
    ],
)
def test_what_must_stop_or_move(
    scheduler: str, deltas: dict[str, int], containers: int, least: int
) -> None:
    of = topology({"spout": 2, "bolt": 4}, [("spout", "bolt")])
    running = plan(of, {1: ["spout", "bolt"], 2: ["bolt"], 3: ["spout", "bolt", "bolt"]})
    request = Request(of, Constraints(), rules_for(scheduler), running, deltas, containers)
    assert bounds_for(request).disturbed_instances.value == least
