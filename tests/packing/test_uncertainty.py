from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.model import NO_COSTS, HeronCosts, Prediction, Runtime, predict_placed, structure
from packing.model.uncertainty import (
    DRAWS,
    MODEL_ERROR,
    NO_MODEL_ERROR,
    SEED,
    Interval,
    Intervals,
    ModelError,
    Truth,
    probability_better,
    spread,
)
from packing.plan import Plan
from packing.profile import Factors, Origin, Profile, Source, draw_factors, drawn
from packing.resources import GIB, Resources
from packing.topology import Grouping, Topology

from .build import chain, plan, topology
from .strategies import plans, profiles, topologies

COSTS = HeronCosts(
    "test",
    instance_idle_cores=0.015,
    spout_idle_cores=0.01,
    tuple_in_s=5e-6,
    tuple_out_s=2e-6,
    packet_in_s=1e-4,
    spout_packet_out_s=6e-5,
    bolt_packet_out_s=1e-5,
    byte_s=1e-9,
    ack_s=7e-7,
    manager_idle_cores=0.003,
    manager_spout_packet_s=2e-5,
    manager_bolt_packet_s=8e-6,
    manager_packet_out_s=7e-5,
    manager_tuple_s=4e-7,
    manager_remote_in_s=1e-7,
    manager_ack_s=4e-7,
    manager_byte_s=6e-10,
    container_background_cores=0.016,
)
SIZE = Resources(2.0, 8 * GIB, 8 * GIB)
OF = chain(2, 3, 2)
LOAD = Profile({"spout": 500.0}, {"spout": 1e-4, "b1": 1e-3, "b2": 5e-4})
SPREAD_OUT = plan(
    OF, {1: ["spout", "b1", "b1"], 2: ["spout", "b1"], 3: ["b2", "b2"]}, container=SIZE
)
CROWDED = plan(OF, {1: ["spout", "spout", "b1", "b1", "b1"], 2: ["b2", "b2"]}, container=SIZE)


def with_spread(profile: Profile, relative_sd: float, of: Topology = OF) -> Profile:
    """The profile with every number off by as much."""
    every = Origin(Source.MEASURED, relative_sd)
    names = [(q, n) for n in of.names for q in ("rate_per_s", "service_s", "wait_s")]
    streams = [(s.source, s.target, s.stream_id) for s in of.streams]
    keys = [(q, s) for s in streams for q in ("selectivity", "tuple_bytes")]
    return replace(profile, origin=dict.fromkeys([*names, *keys], every))  # type: ignore[arg-type]


def evaluated(  # noqa: PLR0917
    placed: Plan = SPREAD_OUT,
    relative_sd: float = 0.1,
    error: ModelError = NO_MODEL_ERROR,
    profile: Profile = LOAD,
    of: Topology = OF,
    runtime: Runtime | None = None,
) -> tuple[Prediction, Intervals]:
    load = with_spread(profile, relative_sd, of)
    prepared = structure(of, load)
    factors = draw_factors(load, of, DRAWS, SEED)
    runtime = runtime or Runtime()
    point = predict_placed(prepared, placed, False, COSTS, runtime)
    found = spread(prepared, placed, factors, False, COSTS, runtime, error)
    assert found is not None
    return point, found


def figures(point: Prediction, found: Intervals) -> list[tuple[float, Interval]]:
    assert point.sustainable_load_factor is not None and point.throughput_per_s is not None
    assert point.latency is not None and point.highest_cpu_utilisation is not None
    return [
        (point.sustainable_load_factor, found.sustainable_load_factor),
        (point.throughput_per_s, found.throughput_per_s),
        (point.latency.mean_s, found.latency_mean_s),
        (point.highest_cpu_utilisation, found.highest_cpu_utilisation),
    ]


def times(profile: Profile, rate: float) -> Profile:
    return replace(profile, rate_per_s={k: v * rate for k, v in profile.rate_per_s.items()})


@pytest.mark.parametrize("placed", [SPREAD_OUT, CROWDED])
@pytest.mark.parametrize("rate", [0.3, 1.0, 3.0])
def test_without_any_doubt_every_draw_is_the_prediction(placed: Plan, rate: float) -> None:
    point, found = evaluated(placed, 0.0, profile=times(LOAD, rate))
    for predicted, interval in figures(point, found):
        assert (interval.low, interval.median, interval.high) == pytest.approx([predicted] * 3)


@pytest.mark.parametrize("rate", [0.3, 1.0, 3.0])
def test_the_median_is_near_the_prediction_and_the_interval_around_it(rate: float) -> None:
    point, found = evaluated(relative_sd=0.05, error=MODEL_ERROR, profile=times(LOAD, rate))
    for predicted, interval in figures(point, found):
        assert interval.low < predicted < interval.high
        assert interval.median == pytest.approx(predicted, rel=0.05)
        assert interval.level == 0.8


def test_less_exact_numbers_give_wider_intervals() -> None:
    widths = []
    for relative_sd in (0.02, 0.1, 0.3):
        point, found = evaluated(relative_sd=relative_sd, profile=times(LOAD, 0.2))
        widths.append([interval.high - interval.low for _, interval in figures(point, found)])
    assert np.all(np.diff(np.array(widths), axis=0) > 0)


def test_the_models_own_error_remains_when_the_load_is_known_exactly() -> None:
    _, found = evaluated(relative_sd=0.0, error=MODEL_ERROR, profile=times(LOAD, 0.3))
    # 1.28 standard deviations either way hold 80 %.
    latency = found.latency_mean_s
    assert latency.high / latency.low == pytest.approx(np.exp(2 * 1.2816 * 0.0998), rel=0.02)
    # Not saturated, so what is offered is delivered, whatever the capacity.
    assert found.throughput_per_s.low == pytest.approx(found.throughput_per_s.high)


def test_one_drawn_service_time_moves_the_load_as_by_hand() -> None:
    # Only b1's service time is in doubt, and its thread limits: the load goes with one over it.
    load = replace(
        LOAD,
        wait_s={"b1": 5e-3},
        origin={
            ("service_s", "b1"): Origin(Source.MEASURED, 0.0),
            ("wait_s", "b1"): Origin(Source.MEASURED, 0.2),
            **{("service_s", n): Origin(Source.MEASURED, 0.0) for n in ("spout", "b2")},
            ("rate_per_s", "spout"): Origin(Source.MEASURED, 0.0),
            **{
                (q, (s.source, s.target, s.stream_id)): Origin(Source.MEASURED, 0.0)
                for s in OF.streams
                for q in ("selectivity", "tuple_bytes")
            },
        },  # type: ignore[dict-item]
    )
    factors = draw_factors(load, OF, 50, SEED)
    found = spread(structure(OF, load), SPREAD_OUT, factors, costs=NO_COSTS, error=NO_MODEL_ERROR)
    assert found is not None
    expected = 3 / 1000 / (1e-3 + 5e-3 * factors.wait[:, 1])
    assert found.sustainable_draws == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_draws_agree_with_predicting_each_drawn_profile(data: st.DataObject) -> None:
    of = data.draw(topologies())
    # A known load; loops are left to their own test.
    load = with_spread(data.draw(profiles(of)), 0.2, of)
    placed = data.draw(plans(of))
    prepared = structure(of, load)
    factors = draw_factors(load, of, 5, 3)
    found = spread(prepared, placed, factors, error=NO_MODEL_ERROR)
    point = predict_placed(prepared, placed)
    if point.sustainable_load_factor in (None, 0.0):
        return
    assert found is not None
    if any(structure(of, load).rates.uneven) or any(
        s.grouping is Grouping.GLOBAL for s in of.streams
    ):
        return  # shares of instances are kept as predicted
    for draw in range(5):
        exact = predict_placed(structure(of, drawn(load, of, factors, draw)), placed)
        assert found.sustainable_draws[draw] == pytest.approx(
            exact.sustainable_load_factor, rel=1e-6
        )
        assert found.utilisation_draws[draw] == pytest.approx(
            exact.highest_cpu_utilisation, rel=1e-6
        )


@pytest.mark.parametrize("rate", [0.2, 1.0])
def test_latency_draws_lie_near_what_each_drawn_profile_gives(rate: float) -> None:
    load = with_spread(times(LOAD, rate), 0.1)
    prepared, factors = structure(OF, load), draw_factors(load, OF, 40, SEED)
    found = spread(prepared, SPREAD_OUT, factors, costs=COSTS, error=NO_MODEL_ERROR)
    assert found is not None
    exact = []
    for draw in range(40):
        each = predict_placed(structure(OF, drawn(load, OF, factors, draw)), SPREAD_OUT,
                              False, COSTS)  # fmt: skip
        assert each.latency is not None
        exact.append(each.latency.mean_s)
    assert np.median(np.abs(found.latency_mean_draws_s / np.array(exact) - 1)) < 0.05


def sustainable(rate: float) -> float:
    factor = predict_placed(structure(OF, times(LOAD, rate)), SPREAD_OUT, False, COSTS)
    assert factor.sustainable_load_factor is not None
    return factor.sustainable_load_factor


def test_latency_has_no_bound_in_draws_that_hold_spouts_back() -> None:
    just_carried = times(LOAD, sustainable(1.0) / 1.1)
    _, found = evaluated(relative_sd=0.1, profile=just_carried)
    held_back = found.sustainable_draws < 1.0
    assert 0.1 < found.saturating_share == np.mean(held_back) < 0.5
    assert np.array_equal(np.isinf(found.latency_mean_draws_s), held_back)
    assert found.latency_mean_s.high == np.inf and found.latency_mean_s.low < 0.1
    _, calm = evaluated(relative_sd=0.1, profile=times(LOAD, 0.2))
    assert calm.saturating_share == 0.0 and calm.latency_mean_s.high < 0.1


def test_a_limit_of_pending_tuples_bounds_latency_when_spouts_are_held_back() -> None:
    just_carried = times(LOAD, sustainable(1.0) / 1.1)
    limited = Runtime(acking=True, max_spout_pending=500)
    _, found = evaluated(relative_sd=0.1, profile=just_carried, runtime=limited)
    assert found.saturating_share > 0.1
    assert np.isfinite(found.latency_mean_draws_s).all()


def test_a_gateway_that_limits_does_not_vary_with_the_users_code() -> None:
    # Small packets keep gateways of bolts busy; user code is far from limiting anything.
    costs = replace(COSTS, packet_in_s=3e-3)
    known = with_spread(Profile({"spout": 500.0}, {"spout": 0.0, "b1": 2e-4, "b2": 1e-5}), 0.0)
    doubtful = {("service_s", "b1"): Origin(Source.MEASURED, 0.3)}
    load = replace(known, origin={**known.origin, **doubtful})  # type: ignore[dict-item]
    large = plan(OF, {1: ["spout", "spout", "b1", "b1", "b1", "b2", "b2"]},
                 container=Resources(16.0, 8 * GIB, 8 * GIB))  # fmt: skip
    prepared = structure(OF, load)
    point = predict_placed(prepared, large, False, costs)
    assert point.bottleneck == "gateway of b2"
    factors = draw_factors(load, OF, DRAWS, SEED)
    found = spread(prepared, large, factors, costs=costs, error=NO_MODEL_ERROR)
    assert found is not None
    assert found.sustainable_draws == pytest.approx(point.sustainable_load_factor)


@pytest.mark.parametrize("grouping", [Grouping.SHUFFLE, Grouping.ALL])
def test_one_truth_serves_every_parallelism(grouping: Grouping) -> None:
    few = topology({"spout": 1, "b1": 1, "b2": 1}, [("spout", "b1", grouping), ("b1", "b2")])
    more = few.with_parallelism({"spout": 1, "b1": 3, "b2": 2})
    load = with_spread(LOAD, 0.2, few)
    factors = draw_factors(load, few, DRAWS, SEED)
    placed = plan(more, {1: ["spout", "b1", "b1"], 2: ["b1", "b2", "b2"]}, container=SIZE)
    shared = Truth(structure(few, load), factors, COSTS, Runtime()).at(structure(more, load))
    own = Truth(structure(more, load), factors, COSTS, Runtime())
    assert np.array_equal(shared.thread_load, own.thread_load)
    one, other = shared.spread(placed), own.spread(placed)
    assert one is not None and other is not None
    for field in ("sustainable_draws", "throughput_draws_per_s", "latency_mean_draws_s"):
        assert np.array_equal(getattr(one, field), getattr(other, field)), field
    point = predict_placed(structure(more, load), placed, False, COSTS)
    alone = shared.sustainable_draws(placed, False, point)
    assert alone is not None and np.array_equal(alone, one.sustainable_draws)
    # Wherever instances run, their threads are in the way of more.
    instances = np.array([1.0, 3.0, 2.0])
    assert np.all(one.sustainable_draws <= 1 / (own.thread_load / instances).max(axis=1) + 1e-9)


def test_a_fading_loop_agrees_and_a_diverging_draw_carries_nothing() -> None:
    of = topology({"s": 1, "b": 2}, [("s", "b"), ("b", "b")])
    back = ("b", "b", "default")
    load = with_spread(Profile({"s": 10.0}, {"s": 1e-4, "b": 1e-3}, {back: 0.5}), 0.0, of)
    placed = plan(of, {1: ["s", "b"], 2: ["b"]}, container=SIZE)
    ones, none = np.ones((3, 2)), np.ones((3, 2))
    none[:, 1] = [1.0, 1.5, 3.0]
    factors = Factors(ones, ones, ones, ones, none, np.ones((3, 2)))
    found = spread(structure(of, load), placed, factors, error=NO_MODEL_ERROR)
    assert found is not None
    # 10 tuples/s grow to 20, then 40 in the loop; at 1.5 it multiplies without end.
    assert found.sustainable_draws.tolist() == pytest.approx([100.0, 50.0, 0.0])


def test_common_draws_make_a_comparison_sharp() -> None:
    # b1 has 5 % more time in one plan than in the other, far less than what is not known.
    slightly = replace(SPREAD_OUT, container_cpu_cores=SPREAD_OUT.container_cpu_cores * 1.05)
    load = replace(times(LOAD, 3.0), service_s={"spout": 1e-4, "b1": 2e-3, "b2": 1e-3})
    tight = replace(SPREAD_OUT, container_cpu_cores=SPREAD_OUT.container_cpu_cores * 0.4)
    roomy = replace(tight, container_cpu_cores=tight.container_cpu_cores * 1.05)
    assert slightly != tight
    _, ours = evaluated(roomy, 0.3, profile=load)
    _, theirs = evaluated(tight, 0.3, profile=load)
    assert probability_better(ours.sustainable_draws, theirs.sustainable_draws) == 1.0
    assert ours.sustainable_load_factor.low < theirs.sustainable_load_factor.high
    # Draws that are not paired tell far less.
    shuffled = np.random.default_rng(1).permutation(theirs.sustainable_draws)
    assert probability_better(ours.sustainable_draws, shuffled) < 0.75


def test_probabilities_by_hand() -> None:
    ours, theirs = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 1.0, 5.0, 2.0])
    assert probability_better(ours, theirs) == (0.5 + 1 + 0 + 1) / 4
    assert probability_better(ours, theirs, higher_is_better=False) == (0.5 + 0 + 1 + 0) / 4
    assert probability_better(theirs, ours) == 1 - probability_better(ours, theirs)
    assert probability_better(ours, ours) == 0.5
    assert probability_better(np.array([0.0, np.inf]), np.array([0.0, np.inf])) == 0.5
    with pytest.raises(ValueError, match="4 draws of one plan and 2"):
        probability_better(ours, theirs[:2])


def test_a_difference_within_the_models_error_is_no_certainty() -> None:
    ours, theirs = np.full(100, 1.01), np.full(100, 1.0)
    assert probability_better(ours, theirs) == 1.0
    unsure = probability_better(ours, theirs, relative_error=0.01)
    assert unsure == pytest.approx(0.84, abs=0.01)
    assert probability_better(theirs, ours, relative_error=0.01) == pytest.approx(1 - unsure)


def test_nothing_is_said_where_the_load_is_not_known() -> None:
    unknown = Profile({"spout": 100.0})
    factors = draw_factors(unknown, OF, 10, SEED)
    assert spread(structure(OF, unknown), SPREAD_OUT, factors) is None


def test_a_limit_on_pending_tuples_bounds_the_throughput_of_every_draw() -> None:
    acked = Runtime(acking=True, max_spout_pending=5)
    point, found = evaluated(profile=times(LOAD, 0.3), runtime=acked)
    assert point.delivered_load_factor is not None and point.delivered_load_factor < 1.0
    assert point.throughput_per_s is not None
    throughput = found.throughput_per_s
    assert throughput.low <= point.throughput_per_s <= throughput.high
    assert throughput.high < 300.0


def test_the_same_request_gives_the_same_draws() -> None:
    _, one = evaluated(error=MODEL_ERROR)
    _, other = evaluated(error=MODEL_ERROR)
    assert np.array_equal(one.latency_mean_draws_s, other.latency_mean_draws_s)


def test_five_candidates_of_a_thousand_instances_take_under_a_tenth_of_a_second() -> None:
    of = chain(200, 500, 300)
    load = Profile({"spout": 500.0}, {"spout": 1e-4, "b1": 1e-3, "b2": 5e-4})
    names = [c.name for c in of.components for _ in range(c.parallelism)]
    prepared = structure(of, load)
    candidates = []
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(names).tolist()
        placed = plan(of, {i + 1: mixed[5 * i : 5 * i + 5] for i in range(200)}, container=SIZE)
        candidates.append((placed, predict_placed(prepared, placed, False, COSTS)))
    took_s = []
    for _ in range(5):
        started_s = time.perf_counter()
        factors = draw_factors(load, of, DRAWS, SEED)
        for placed, point in candidates:
            assert spread(prepared, placed, factors, costs=COSTS, point=point) is not None
        took_s.append(time.perf_counter() - started_s)
    assert min(took_s) < 0.1
