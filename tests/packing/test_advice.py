"""The smallest parallelism for a rate: published answers, brute force, and what no number helps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heron_costs import shipped_costs
from packing.advice import Advice, RateGoal, advise, infeasible, moved_share
from packing.advice.advice import load_step
from packing.advice.container_counts import fewest_containers
from packing.advice.key_moves import task_ids
from packing.advice.quick_plans import QUICKEST_FIRST
from packing.advice.sizing import Sizing
from packing.advice.thread_bounds import ROUNDING, NoParallelismHelps
from packing.advice.trial import Trial
from packing.candidate import ask
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest
from packing.key_skew import KeyWeights, residues, serialised
from packing.model import NO_COSTS, HeronCosts
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB
from packing.topology import Grouping, Stream, Topology
from tests.benchmarks.advice import layered

from .build import chain, topology

RATE = 1e6 / 60
"""Sentences per second of the word count of Dhalion and DS2 (Kalavri et al. 2018, section 5.2)."""


def word_count(flat_maps: int, counts: int, costs: HeronCosts = NO_COSTS) -> Request:
    of = topology(
        {"source": 1, "flat_map": flat_maps, "count": counts},
        [("source", "flat_map", Grouping.SHUFFLE), ("flat_map", "count", Grouping.FIELDS)],
    )
    profile = Profile(
        rate_per_s={"source": RATE},
        service_s={"source": 0.0, "flat_map": 60 / 100_000, "count": 60 / 1_000_000},
        selectivity={("flat_map", "count", "default"): 20.0},
    )
    return Request(of, Constraints(container_count=2), profile=profile, costs=costs)


def running(request: Request) -> Request:
    return replace(request, current=round_robin(request))


def quickly(request: Request, goal: RateGoal) -> Advice:
    """Without other planners and other loads."""
    return advise(request, goal, {}, load_factors=())


@pytest.mark.parametrize("start", [(1, 1), (5, 10), (22, 30), (10, 20)])
@pytest.mark.parametrize("runs", [False, True])
def test_word_count_needs_ten_and_twenty_from_anywhere(start: tuple[int, int], runs: bool) -> None:
    request = word_count(*start)
    found = advise(running(request) if runs else request, RateGoal(RATE, headroom=0.0))
    assert found.parallelism == {"source": 1, "flat_map": 10, "count": 20}
    assert found.plan is not None and found.plan.parallelism == found.parallelism
    assert found.prediction is not None
    assert found.prediction.sustainable_load_factor == pytest.approx(1.0)


def test_word_count_is_scaled_down_with_the_load() -> None:
    found = quickly(running(word_count(10, 20)), RateGoal(RATE / 2, headroom=0.0))
    assert found.parallelism == {"source": 1, "flat_map": 5, "count": 10}
    assert found.disruption is not None and found.disruption.stopped_instances == 15


def test_herons_own_work_takes_a_tenth_more() -> None:
    request = word_count(1, 1, shipped_costs().costs)
    found = quickly(request, RateGoal(RATE, headroom=0.0))
    assert found.parallelism == {"source": 1, "flat_map": 11, "count": 22}


@pytest.mark.parametrize(
    ("rate_per_s", "instances"),
    [(4e6, 16), (4e6, 14), (500e3, 16), (1e6, 28)],
    ids=["Q1", "Q2", "Q5", "Q11"],
)
@pytest.mark.parametrize("within", [0.0, 0.5, 0.95])
def test_nexmark_is_not_over_provisioned(rate_per_s: float, instances: int, within: float) -> None:
    # DS2, tables 3 and 4: the rate of bids and the parallelism of the main operator. An instance
    # can then execute more than rate / n and less than rate / (n - 1).
    low, high = rate_per_s / instances, rate_per_s / (instances - 1)
    profile = Profile(service_s={"spout": 0.0, "b1": 1 / (low + within * (high - low))})
    request = Request(chain(1, 1), Constraints(container_count=1), profile=profile)
    found = quickly(request, RateGoal(rate_per_s, headroom=0.0))
    assert found.parallelism["b1"] == instances


def small(seed: int) -> tuple[Request, RateGoal]:
    """At most four components of which some three or so instances each are needed."""
    draw = np.random.default_rng(seed)
    size = int(draw.integers(2, 5))
    names = ["spout", *(f"b{i}" for i in range(1, size))]
    groupings = (Grouping.SHUFFLE, Grouping.FIELDS, Grouping.SHUFFLE, Grouping.ALL)
    streams = [
        (names[int(draw.integers(0, i))], names[i], groupings[int(draw.integers(0, 4))])
        for i in range(1, size)
    ]
    rate = float(draw.uniform(200, 3000))
    profile = Profile(
        service_s={"spout": 1e-5} | {n: float(draw.uniform(0.1, 0.9)) / rate for n in names[1:]},
        selectivity={(s, t, "default"): float(draw.uniform(0.5, 2.0)) for s, t, _ in streams},
    )
    stated = (
        Constraints(container_count=1),
        Constraints(container_count=1, component_cpu_cores=dict.fromkeys(names, 0.4)),
        Constraints(
            container_count=1,
            container_cpu_cores=2.2,
            container_ram_bytes=9 * GIB,
            cpu_padding_cores=0.5,
            component_cpu_cores=dict.fromkeys(names, 0.5),
        ),
    )[int(draw.integers(0, 3))]
    costs = shipped_costs().costs if draw.random() < 0.7 else NO_COSTS
    of = topology(dict.fromkeys(names, 1), streams)
    return Request(of, stated, profile=profile, costs=costs), RateGoal(rate, headroom=0.2)


def carries(sizing: Sizing, parallelism: Mapping[str, int]) -> bool:
    """Whether any plan of the quick planners, in any number of containers, carries the load."""
    for count in range(1, sum(parallelism.values()) + 1):
        for name, planner in QUICKEST_FIRST.items():
            request = sizing.plans.request_at(parallelism, count)
            candidate = ask(name, planner, request)
            if candidate.usable and candidate.sustained >= sizing.goal.load_factor * (1 - ROUNDING):
                return True
    return False


@pytest.mark.parametrize("seed", range(40))
def test_no_smaller_parallelism_carries_the_rate(seed: int) -> None:
    request, goal = small(seed)
    sizing = Sizing(request, goal)
    try:
        found = sizing.smallest().parallelism
    except NoParallelismHelps:
        most = dict.fromkeys(request.topology.names, 4)
        assert not carries(sizing, most | {"spout": 1})
        return
    assert carries(sizing, found)
    ranges = [range(1, n + 1) for n in found.values()]
    assert math.prod(len(r) for r in ranges) <= 100, "more than a small topology takes"
    for fewer in itertools.product(*ranges):
        other = dict(zip(found, fewer, strict=True))
        if other != found:
            assert not carries(sizing, other), other


@pytest.mark.parametrize("seed", range(20))
def test_a_higher_rate_never_needs_fewer_instances(seed: int) -> None:
    request, goal = small(seed)
    before = dict.fromkeys(request.topology.names, 0)
    for factor in (0.3, 0.7, 1.0, 1.3, 2.0, 3.1):
        at = Sizing(request, replace(goal, rate_per_s=factor * goal.rate_per_s))
        try:
            found = at.smallest().parallelism
        except NoParallelismHelps:
            break
        assert all(found[name] >= n for name, n in before.items()), factor
        before = found


def keyed(weights: Mapping[str, float], service_s: float = 1e-3) -> Request:
    of = topology({"spout": 1, "count": 1}, [("spout", "count", Grouping.FIELDS)])
    profile = Profile(
        service_s={"spout": 0.0, "count": service_s},
        key_weights={("spout", "count", "default"): KeyWeights(weights)},
    )
    return Request(of, Constraints(), profile=profile)


def test_one_hot_key_is_named_and_the_highest_rate_told() -> None:
    weights = {"hot": 40.0} | {f"k{i}": 1.0 for i in range(60)}
    found = advise(keyed(weights), RateGoal(4000.0, headroom=0.2))
    assert found.plan is None and not found.parallelism
    assert "no parallelism helps: key 'hot' carries 40%" in found.impossible
    # The one instance that gets the key has 1,000 tuples/s of which a fifth stays free.
    assert found.highest_rate_per_s is not None
    assert found.highest_rate_per_s <= 0.8 * 1000 / 0.4 * 1.001
    # Some parallelism keeps most other keys off that instance.
    assert found.highest_rate_per_s > 0.8 * 1000 / 0.4 * 0.9
    assert quickly(keyed(weights), RateGoal(found.highest_rate_per_s)).plan is not None
    assert "tuples/s are possible" in str(infeasible(found))


def test_measured_shares_that_no_number_evens_out_tell_the_highest_rate_as_well() -> None:
    of = topology({"spout": 1, "count": 4}, [("spout", "count", Grouping.FIELDS)])
    profile = Profile(
        service_s={"spout": 0.0, "count": 1e-3},
        key_shares={("spout", "count", "default"): (0.85, 0.05, 0.05, 0.05)},
    )
    request = Request(of, Constraints(), profile=profile)
    found = quickly(request, RateGoal(3000.0))
    assert "going by the shares that were measured" in found.impossible
    # One instance executes 800 tuples/s with the headroom, and gets at most all tuples.
    assert found.highest_rate_per_s is not None and 800 <= found.highest_rate_per_s <= 3000
    assert quickly(request, RateGoal(found.highest_rate_per_s)).plan is not None


@pytest.mark.parametrize("rate", [1e6, 1e9, 1e12])
def test_the_highest_rate_is_found_far_below_what_was_asked_for(rate: float) -> None:
    """Of more instances than keys, or hardly fewer, some get two or three and others none."""
    request = keyed({f"k{i}": 1.0 for i in range(1000)})
    found = quickly(request, RateGoal(rate, headroom=0.0))
    assert "the 1,000 keys of spout -default-> count do not spread evenly" in found.impossible
    assert found.highest_rate_per_s is not None
    assert 100e3 < found.highest_rate_per_s <= 1000e3
    assert quickly(request, RateGoal(found.highest_rate_per_s, headroom=0.0)).plan is not None


def test_a_key_of_less_than_a_hundredth_is_named_with_its_share() -> None:
    request = keyed({"hot": 4.0} | {f"k{i}": 1.0 for i in range(496)})
    found = quickly(request, RateGoal(1e6))
    assert "key 'hot' carries 0.8% of the stream" in found.impossible


def test_what_everyone_gets_beside_the_rest_takes_no_thousands_of_instances() -> None:
    """Copies of one stream keep each instance nearly busy; the rest takes all the more."""
    of = topology(
        {"s1": 1, "s2": 1, "b": 1},
        [("s1", "b", Grouping.ALL), Stream("s2", "b", "default", Grouping.SHUFFLE)],
    )
    profile = Profile(
        rate_per_s={"s1": 1.0, "s2": 1.0}, service_s={"s1": 0.0, "s2": 0.0, "b": 1e-3}
    )
    request = Request(of, Constraints(), profile=profile)
    assert quickly(request, RateGoal(1800.0, headroom=0.0)).parallelism["b"] == 9
    found = quickly(request, RateGoal(1999.999, headroom=0.0))
    assert "no parallelism helps 'b'" in found.impossible
    assert found.highest_rate_per_s is not None and 1800 < found.highest_rate_per_s < 1999
    at_most = quickly(request, RateGoal(found.highest_rate_per_s, headroom=0.0))
    assert 9 <= at_most.parallelism["b"] <= 1000


def test_no_thousands_of_instances_for_the_last_tuples_beside_a_hot_key() -> None:
    weights = KeyWeights({"hot": 0.4}, unlisted=0.6)
    key = ("spout", "count", "default")
    request = keyed({"any": 1.0})
    request = replace(request, profile=replace(request.profile, key_weights={key: weights}))
    # The key alone keeps its instance as busy as the headroom allows: nothing else may get there.
    assert "key 'hot' carries 40%" in quickly(request, RateGoal(2000.0)).impossible
    found = quickly(request, RateGoal(1900.0))
    shares = request.profile.shares_at(key, found.parallelism["count"])
    assert shares is not None and 1.9 * 1.25 * shares.values.max() <= 1 + ROUNDING
    assert found.parallelism["count"] < 40


def test_a_plan_that_nothing_limits_names_no_limit() -> None:
    profile = Profile(service_s={"spout": 0.0, "b1": 0.0})
    found = quickly(Request(chain(1, 1), Constraints(), profile=profile), RateGoal(1e9))
    assert said(found, "the plan carries").endswith(
        "any load, 1.25 are asked for with a headroom of 20%"
    )


def test_uneven_keys_take_more_instances_than_the_mean() -> None:
    weights = {f"k{i}": 1.0 / (i + 1) for i in range(200)}
    request = keyed(weights)
    found = quickly(request, RateGoal(3500.0, headroom=0.0))
    n = found.parallelism["count"]
    key = ("spout", "count", "default")

    def busiest(instances: int) -> float:
        shares = request.profile.shares_at(key, instances)
        assert shares is not None
        return 3.5 * float(shares.values.max())

    assert busiest(n) <= 1.0 + ROUNDING
    assert all(busiest(fewer) > 1.0 for fewer in range(1, n))
    assert n > 4


@pytest.mark.parametrize("grouping", [Grouping.GLOBAL, Grouping.ALL])
def test_readers_of_everything_cannot_be_scaled(grouping: Grouping) -> None:
    of = topology({"spout": 1, "last": 1}, [("spout", "last", grouping)])
    profile = Profile(service_s={"spout": 0.0, "last": 1e-3})
    request = Request(of, Constraints(), profile=profile)
    found = quickly(request, RateGoal(2000.0, headroom=0.0))
    assert found.plan is None
    assert "no parallelism helps 'last'" in found.impossible
    assert f"grouping {grouping.name}" in found.impossible
    assert found.highest_rate_per_s == pytest.approx(1000.0, rel=1e-3)
    assert quickly(request, RateGoal(999.0, headroom=0.0)).parallelism["last"] == 1


def test_spouts_grow_only_where_their_own_threads_are_too_weak() -> None:
    profile = Profile(service_s={"spout": 1e-3, "b1": 1e-4}, rate_per_s={"spout": 100.0})
    request = Request(chain(3, 1), Constraints(), profile=profile)
    assert quickly(request, RateGoal(2400.0, headroom=0.2)).parallelism["spout"] == 3
    assert quickly(request, RateGoal(100.0)).parallelism["spout"] == 3
    assert quickly(request, RateGoal(4000.0, headroom=0.2)).parallelism["spout"] == 5


def test_the_rate_is_split_in_the_profiles_proportion() -> None:
    of = topology(
        {"s1": 2, "s2": 1, "a": 1, "b": 1},
        [("s1", "a", Grouping.SHUFFLE), ("s2", "b", Grouping.SHUFFLE)],
    )
    profile = Profile(
        rate_per_s={"s1": 3.0, "s2": 2.0},
        service_s={"s1": 0.0, "s2": 0.0, "a": 1e-2, "b": 1e-2},
    )
    found = quickly(Request(of, Constraints(), profile=profile), RateGoal(800.0, headroom=0.0))
    # 2 x 3 to 1 x 2: 600 and 200 tuples/s at 100 an instance.
    assert (found.parallelism["a"], found.parallelism["b"]) == (6, 2)


def test_a_limit_of_containers_is_told_where_their_number_is_fixed() -> None:
    profile = Profile(service_s={"spout": 0.0, "b1": 1e-3}, rate_per_s={"spout": 1000.0})
    stated = Constraints(
        container_cpu_cores=3.0,
        cpu_padding_cores=0.5,
        component_cpu_cores={"b1": 0.1, "spout": 0.1},
    )
    request = Request(chain(1, 1), stated, profile=profile)
    found = quickly(request, RateGoal(8000.0, headroom=0.0, container_count=2))
    assert found.plan is None and "CPU of container" in found.impossible
    assert found.highest_rate_per_s is not None and found.highest_rate_per_s < 6100
    free = quickly(request, RateGoal(8000.0, headroom=0.0))
    assert free.parallelism["b1"] == 8 and free.prediction is not None
    assert free.prediction.containers == 3


def test_too_many_instances_for_the_containers_asked_for() -> None:
    stated = Constraints(container_cpu_cores=4.0, container_ram_bytes=8 * GIB)
    profile = Profile(service_s={"spout": 0.0, "b1": 1e-3})
    request = Request(chain(1, 1), stated, profile=profile)
    with pytest.raises(Infeasible, match=r"2 containers of 4 cores.* would fit"):
        quickly(request, RateGoal(20_000.0, container_count=2))


def test_a_limit_of_the_latency_takes_instances_or_is_impossible() -> None:
    request = word_count(1, 1, shipped_costs().costs)
    relaxed = quickly(request, RateGoal(RATE))
    assert relaxed.prediction is not None and relaxed.prediction.latency is not None
    p99_s = relaxed.prediction.latency.p99_s
    kept = quickly(request, RateGoal(RATE, latency_p99_limit_s=0.95 * p99_s))
    assert kept.prediction is not None and kept.prediction.latency is not None
    assert kept.prediction.latency.p99_s <= 0.95 * p99_s
    assert sum(kept.parallelism.values()) > sum(relaxed.parallelism.values())
    impossible = quickly(request, RateGoal(RATE, latency_p99_limit_s=0.001))
    assert "no parallelism brings the latency below" in impossible.impossible
    assert impossible.highest_rate_per_s is None


def keeps(sizing: Sizing, parallelism: Mapping[str, int]) -> bool:
    """Whether a plan of the quick planners, in any number of containers, does all that is asked."""
    fewest = fewest_containers(sizing.request, parallelism)
    for count in range(fewest, sum(parallelism.values()) + 1):
        for name, planner in QUICKEST_FIRST.items():
            request = sizing.plans.request_at(parallelism, count)
            if Trial(request, ask(name, planner, request), sizing.goal).holds:
                return True
    return False


@pytest.mark.parametrize("seed", [*range(7), *range(8, 24)])  # 7 has no plan at any latency
def test_no_component_can_lose_an_instance_where_a_latency_is_kept(seed: int) -> None:
    request, goal = small(seed)
    goal = replace(goal, rate_per_s=0.35 * goal.rate_per_s)
    at_rest = Sizing(request, goal).smallest().latency_p99_s
    limit_s = at_rest * (0.85 + 0.005 * seed)
    sizing = Sizing(request, replace(goal, latency_p99_limit_s=limit_s))
    try:
        found = sizing.smallest()
    except NoParallelismHelps as error:
        assert "no parallelism brings the latency below" in str(error)
        return
    assert found.latency_p99_s <= limit_s < at_rest
    for name, n in found.parallelism.items():
        assert n == 1 or not keeps(sizing, {**found.parallelism, name: n - 1}), name


@pytest.mark.parametrize("lower", [0.97, 0.95])
def test_a_latency_is_kept_where_a_little_more_capacity_is_there_already(lower: float) -> None:
    """A bolt that is busy for a seventh of the time: twice as many are five times the headroom."""
    profile = Profile(service_s={"spout": 0.0, "b1": 1e-4})
    request = Request(chain(1, 1), Constraints(), profile=profile, costs=shipped_costs().costs)
    relaxed = quickly(request, RateGoal(1500.0))
    assert relaxed.parallelism["b1"] == 1
    assert relaxed.prediction is not None and relaxed.prediction.latency is not None
    limit_s = lower * relaxed.prediction.latency.p99_s
    kept = quickly(request, RateGoal(1500.0, latency_p99_limit_s=limit_s))
    assert kept.parallelism["b1"] > 1 and kept.prediction is not None
    assert kept.prediction.latency is not None and kept.prediction.latency.p99_s <= limit_s


def test_a_latency_is_kept_by_the_others_where_one_component_cannot_have_more() -> None:
    of = topology(
        {"spout": 1, "busy": 1, "all": 1}, [("spout", "busy"), ("spout", "all", Grouping.ALL)]
    )
    # Tuples into "all" meet the same queue however many instances there are.
    profile = Profile(
        service_s={"spout": 0.0, "busy": 3e-3, "all": 7e-4},
        selectivity={("spout", "all", "default"): 1.0},
    )
    request = Request(of, Constraints(), profile=profile, costs=shipped_costs().costs)
    relaxed = quickly(request, RateGoal(1000.0))
    assert relaxed.prediction is not None and relaxed.prediction.latency is not None
    limit_s = 0.97 * relaxed.prediction.latency.p99_s
    kept = quickly(request, RateGoal(1000.0, latency_p99_limit_s=limit_s))
    assert kept.parallelism["all"] == 1
    assert kept.parallelism["busy"] > relaxed.parallelism["busy"]
    assert kept.prediction is not None and kept.prediction.latency is not None
    assert kept.prediction.latency.p99_s <= limit_s
    impossible = quickly(request, RateGoal(1000.0, latency_p99_limit_s=1e-3))
    assert "no parallelism brings the latency below" in impossible.impossible


def test_a_probability_that_a_hot_key_rules_out_is_told_as_one() -> None:
    """The key itself fits: it is how little is known of the times that does not."""
    request = keyed({"hot": 40.0} | {f"k{i}": 1.0 for i in range(60)})
    assert quickly(request, RateGoal(1500.0)).plan is not None
    goal = RateGoal(1500.0, probability=0.9)
    found = quickly(request, goal)
    assert "no parallelism carries the rate with probability 0.9" in found.impossible
    assert "limited by thread of count instance" in found.impossible
    assert found.highest_rate_per_s is not None and 500 < found.highest_rate_per_s < 1500
    lower = quickly(request, replace(goal, rate_per_s=found.highest_rate_per_s))
    assert lower.probability >= 0.9


def test_a_probability_takes_more_instances() -> None:
    request = word_count(1, 1)
    plain = quickly(request, RateGoal(RATE))
    sure = quickly(request, RateGoal(RATE, probability=0.9))
    assert plain.probability < 0.9 <= sure.probability
    assert all(sure.parallelism[name] >= n for name, n in plain.parallelism.items())


def said(advice: Advice, start: str) -> str:
    (found,) = [reason for reason in advice.reasons if reason.startswith(start)]
    return found


def test_the_reason_for_more_instances_is_what_was_asked_for() -> None:
    request = word_count(1, 1)
    plain = quickly(request, RateGoal(RATE))
    assert "fewer than 13 threads would not keep up" in said(plain, "flat_map executes")
    sure = quickly(request, RateGoal(RATE, probability=0.9))
    flat_maps = sure.parallelism["flat_map"]
    assert flat_maps > 13
    told = f"threads alone would need 13, {flat_maps} are for the probability asked for"
    assert told in said(sure, "flat_map executes")


@pytest.mark.parametrize("bolts", [1, 8])
def test_a_plan_that_is_likelier_not_to_do_says_what_to_do(bolts: int) -> None:
    of = chain(1, *[1] * bolts)
    profile = Profile(service_s={"spout": 0.0} | {f"b{i + 1}": 1e-3 for i in range(bolts)})
    found = quickly(Request(of, Constraints(), profile=profile), RateGoal(800.0))
    assert (found.probability < 0.5) == (bolts == 8)
    assert ("ask for a probability" in said(found, "it carries")) == (bolts == 8)


def test_an_update_says_what_it_touches() -> None:
    found = quickly(running(word_count(10, 10)), RateGoal(RATE, headroom=0.0))
    moved = found.disruption
    assert moved is not None and moved.started_instances == 10
    told = f"{moved.restarted_instances} of 21 surviving instances restart, 10 start, 0 stop"
    assert told in found.reasons


def test_more_instances_than_can_be_planned_is_a_sentence_about_the_rate() -> None:
    with pytest.raises(InvalidRequest, match=r"1,200,000,000 tuples/s take 2,.* instances or more"):
        quickly(word_count(1, 1), RateGoal(1.2e9, headroom=0.0))


def test_cost_rises_with_load() -> None:
    found = advise(word_count(1, 1, shipped_costs().costs), RateGoal(RATE), {})
    assert [step.load_factor for step in found.steps] == [0.5, 1.0, 1.5, 2.0, 3.0]
    cores = [step.cores for step in found.steps]
    assert cores == sorted(cores) and cores[0] < cores[-1]
    assert found.steps[1].parallelism == found.parallelism
    assert found.prediction is not None and found.steps[1].cores == found.prediction.cores


def test_a_higher_load_takes_no_fewer_instances_where_few_plans_are_tried() -> None:
    """Next to what latency is possible at all the tries end before all has been taken back."""
    sizing = Sizing(layered(3), RateGoal(10_000.0, latency_p99_limit_s=0.07))
    higher = load_step(sizing, 2.0)
    alone, beside = load_step(sizing, 1.5), load_step(sizing, 1.5, higher.parallelism)
    assert sum(alone.parallelism.values()) > sum(higher.parallelism.values()), "or it shows nothing"
    assert sum(beside.parallelism.values()) <= sum(higher.parallelism.values())
    assert beside.cores <= alone.cores and not beside.impossible


def test_keys_that_move_are_told() -> None:
    found = quickly(running(word_count(10, 10)), RateGoal(RATE, headroom=0.0))
    (move,) = found.key_moves
    assert (move.component, move.before, move.after, move.moved_share) == ("count", 10, 20, 0.5)


task_id_sets = st.sets(st.integers(1, 40), min_size=1, max_size=12)


@given(task_id_sets, task_id_sets)
def test_share_of_keys_that_move(before: set[int], after: set[int]) -> None:
    old, new = sorted(before), sorted(after)
    period = math.lcm(len(old), len(new))
    moving = sum(old[r % len(old)] != new[r % len(new)] for r in range(period))
    assert moved_share(list(before), list(after)) == pytest.approx(moving / period)


@pytest.mark.parametrize(
    ("before", "after", "share"), [(10, 20, 0.5), (20, 10, 0.5), (5, 6, 5 / 6)]
)
def test_lowest_tasks_that_stay_keep_what_counts_alone_would(
    before: int, after: int, share: float
) -> None:
    assert moved_share(range(before), range(after)) == pytest.approx(share)


@pytest.mark.parametrize("start", [(20, 40), (12, 24), (5, 10), (7, 13)])
def test_keys_move_by_herons_rule_between_the_two_plans(start: tuple[int, int]) -> None:
    """Instances that stop are seldom those with the highest task ids."""
    request = running(word_count(*start))
    found = quickly(request, RateGoal(RATE, headroom=0.0))
    (move,) = found.key_moves
    assert request.current is not None and found.plan is not None
    old, new = task_ids(request.current)["count"], task_ids(found.plan)["count"]
    keys = KeyWeights({f"key{i}": 1.0 for i in range(20_000)})
    residue = residues([serialised(key, keys.serializer) for key in keys]).astype(int)
    moving = np.sort(old)[residue % len(old)] != np.sort(new)[residue % len(new)]
    assert move.moved_share == pytest.approx(float(moving.mean()), abs=0.015)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.6))
def test_what_is_advised_keeps_its_headroom(seed: int, headroom: float) -> None:
    request, goal = small(seed)
    found = quickly(request, replace(goal, headroom=headroom))
    if found.plan is None:
        return
    assert found.prediction is not None
    factor = found.prediction.sustainable_load_factor
    assert factor is None or factor * (1 - headroom) >= 1 - 2 * ROUNDING
    assert found.plan.parallelism == found.parallelism


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        ({"rate_per_s": 0.0}, "the rate is 0.0"),
        ({"rate_per_s": -5.0}, "the rate is -5.0"),
        ({"rate_per_s": math.nan}, "the rate is nan"),
        ({"rate_per_s": math.inf}, "the rate is inf"),
        ({"rate_per_s": 1.0, "headroom": -0.1}, "the headroom is -0.1"),
        ({"rate_per_s": 1.0, "headroom": 1.0}, "the headroom is 1.0"),
        ({"rate_per_s": 1.0, "headroom": math.nan}, "the headroom is nan"),
        ({"rate_per_s": 1.0, "probability": 1.0}, "the probability is 1.0"),
        ({"rate_per_s": 1.0, "latency_p99_limit_s": 0.0}, "limit of the latency"),
        ({"rate_per_s": 1.0, "container_count": 0}, "number of containers is 0"),
    ],
)
def test_goals_that_cannot_be(goal: dict[str, float], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        RateGoal(**goal)  # type: ignore[arg-type]


def test_without_times_per_tuple_it_says_what_to_state() -> None:
    of: Topology = chain(1, 1)
    request = Request(of, Constraints(), profile=Profile(service_s={"b1": 1e-3}))
    with pytest.raises(InvalidRequest, match=r"time per tuple of 'spout'.*service_ms"):
        advise(request, RateGoal(100.0))
