"""How many instances are tried, and what tells early that they are too few."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.advice import RateGoal
from packing.advice.attempt import CLOSE_ENOUGH
from packing.advice.sizing import Sizing
from packing.advice.thread_bounds import ROUNDING, Asked, likely_bounds, thread_bounds
from packing.advice.trial import Trial
from packing.key_skew import KeyWeights
from packing.model import NO_COSTS, Runtime
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.topology import Grouping
from tests.benchmarks.advice import layered

from .build import topology
from .test_advice import small

NAMES = ("spout", "b1", "b2")
OF = topology(dict.fromkeys(NAMES, 1), [("spout", "b1"), ("b1", "b2", Grouping.FIELDS)])
RATES = {"spout": 1000.0}


def asked(**known: object) -> Asked:
    profile = Profile(service_s={"spout": 0.0, "b1": 2e-3, "b2": 3e-3}, **known)  # type: ignore[arg-type]
    return Asked(OF, profile, RATES, NO_COSTS, Runtime())


def missed(load: np.ndarray, instances: tuple[int, ...]) -> int:
    """Draws in which some component has too few instances."""
    return int(np.sum((load * (1 - ROUNDING) > np.array(instances)).any(axis=1)))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_likely_bounds_are_enough_and_none_can_be_cut(seed: int, probability: float) -> None:
    draw = np.random.default_rng(seed)
    load = np.array([0.2, 2.0, 3.0]) * draw.lognormal(0.0, 0.4, (20, 3))
    least = dict.fromkeys(NAMES, 1)
    found = likely_bounds(asked(), load, probability, least)
    counts = tuple(found[name] for name in NAMES)
    may_miss = math.floor(20 * (1 - probability) + 1e-9)
    assert missed(load, counts) <= may_miss
    for v in range(3):
        fewer = tuple(n - (i == v) for i, n in enumerate(counts))
        assert counts[v] == 1 or missed(load, fewer) > may_miss, NAMES[v]
    best = min(
        sum(each)
        for each in itertools.product(*(range(1, n + 3) for n in counts))
        if missed(load, each) <= may_miss
    )
    assert sum(counts) <= best + 2


def test_likely_bounds_keep_what_must_be_there_and_count_the_busiest_instance() -> None:
    load = np.array([[0.0, 2.0, 3.0]] * 10)
    weights = KeyWeights({"hot": 30.0} | {f"k{i}": 1.0 for i in range(70)})
    skewed = asked(key_weights={("b1", "b2", "default"): weights})
    even = likely_bounds(asked(), load, 0.9, {"spout": 3, "b1": 1, "b2": 1})
    assert even == {"spout": 3, "b1": 2, "b2": 3}
    found = likely_bounds(skewed, load, 0.9, dict.fromkeys(NAMES, 1))
    # The same draw in every row is the bound without doubt, at that load.
    assert found == thread_bounds(skewed, 1.0, dict.fromkeys(NAMES, 1))
    assert found["b2"] > 3


def test_likely_bounds_give_up_where_too_many_draws_cannot_be_met() -> None:
    weights = KeyWeights({"hot": 90.0, "other": 10.0})
    skewed = asked(key_weights={("b1", "b2", "default"): weights})
    least = dict.fromkeys(NAMES, 1)
    load = np.array([[0.0, 2.0, 3.0]] * 10)
    assert likely_bounds(skewed, load, 0.9, least) == least
    # One draw of ten may be missed.
    load[1:, 2] = 0.9
    assert likely_bounds(skewed, load, 0.9, least) == {"spout": 1, "b1": 2, "b2": 1}


@pytest.mark.parametrize("seed", range(30))
def test_an_attempt_says_what_its_plan_does_in_full(seed: int) -> None:
    request, goal = small(seed)
    if seed % 2:
        request = replace(request, current=round_robin(request))
    sizing = Sizing(request, goal)
    draw = np.random.default_rng(seed)
    for _ in range(5):
        parallelism = {name: int(draw.integers(1, 5)) for name in request.topology.names}
        parallelism["spout"] = 1
        most = min(4, sum(parallelism.values()))
        attempt = sizing.plans.attempt(parallelism, int(draw.integers(1, most + 1)))
        trial = attempt.trial
        assert isinstance(trial, Trial) and attempt.usable == trial.candidate.usable
        if attempt.usable and math.isfinite(trial.carried):
            assert attempt.carried == pytest.approx(trial.carried, rel=2 * CLOSE_ENOUGH)
        assert attempt.holds == trial.holds and attempt.carries == trial.carries
        assert not (attempt.too_weak and trial.carries)


def test_threads_alone_refuse_what_no_plan_makes_likely() -> None:
    for seed in range(20):
        request, goal = small(seed)
        sizing = Sizing(request, replace(goal, probability=0.8))
        for n in range(1, 6):
            parallelism = dict.fromkeys(request.topology.names, n)
            if not sizing.plans.threads_suffice(parallelism):
                for count in (1, 2, sum(parallelism.values())):
                    assert not sizing.plans.attempt(parallelism, count).trial.likely


def test_nothing_is_tried_twice() -> None:
    request, goal = small(3)
    plans = Sizing(request, goal).plans
    one = plans.attempt(dict.fromkeys(request.topology.names, 2), 2)
    tried = plans.tried
    assert plans.attempt(dict.fromkeys(request.topology.names, 2), 2) is one
    assert plans.tried == tried
    assert plans.best(dict.fromkeys(request.topology.names, 2)) is plans.best(
        dict.fromkeys(request.topology.names, 2)
    )


def test_a_probability_takes_no_goal_below_the_headroom() -> None:
    request, goal = small(5)
    plain = Sizing(request, goal).bounds()
    likely = Sizing(request, RateGoal(goal.rate_per_s, goal.headroom, probability=0.6)).bounds()
    assert all(likely[name] >= n for name, n in plain.items())


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("asked", [{}, {"probability": 0.9}, {"latency_p99_limit_s": 0.1}])
def test_what_is_found_for_twenty_components_holds(runs: bool, asked: dict[str, float]) -> None:
    request = layered(0)
    if runs:
        request = replace(request, current=round_robin(request))
    found = Sizing(request, RateGoal(50_000.0, **asked)).smallest()
    assert found.holds and found.carried >= 1.25 * (1 - ROUNDING)
    assert found.probability >= asked.get("probability", 0.0)
    assert found.latency_p99_s <= asked.get("latency_p99_limit_s", math.inf)
    plan = found.candidate.plan
    assert plan is not None and plan.parallelism == found.parallelism
