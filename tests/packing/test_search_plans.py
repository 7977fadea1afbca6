from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bridge.comparison import request_for
from bridge.workload import load_workload
from packing.bounds.containers import fewest_containers, relative_sizes
from packing.bounds.instances import instance_sizes
from packing.choose import choose, judge
from packing.errors import PackingError
from packing.goal import Goal
from packing.model import predict_placed
from packing.objective import OBJECTIVES, Enough
from packing.plan import Plan
from packing.planners import Proposer
from packing.planners.search import search
from packing.planners.search_plans import SearchPlans
from packing.planners.usable_size import hard_limit
from packing.request import Request
from packing.search.budget import BUDGETS, DEFAULT_BUDGET
from packing.validation import Rule, violations

from .build import DATA
from .strategies import pack_requests

PLANS = SearchPlans()
NAMES = ["linear-50", "wordcount-100", "dag3-100"]


def request(name: str) -> Request:
    return request_for(load_workload(DATA / "topologies" / f"{name}.json"))


def proposed(of: Request, goal: Goal | None = None) -> dict[str, Plan]:
    found = [*PLANS.propose(of, goal or Goal())]
    assert len({which for which, _ in found}) == len(found), "names tell plans apart"
    return dict(found)


def test_the_search_is_a_proposer_whose_first_plan_is_its_own() -> None:
    assert isinstance(PLANS, Proposer)
    assert not isinstance(search, Proposer)
    for name in NAMES:
        of = request(name)
        assert proposed(of)[""] == search(of) == PLANS(of)


@settings(max_examples=40, deadline=None)
@given(pack_requests(), st.sampled_from([*OBJECTIVES]), st.booleans(), st.booleans())
def test_every_plan_is_valid_and_the_same_again(
    of: Request, objective: str, free: bool, spread: bool
) -> None:
    of = replace(of, containers_free=free, spread_components=spread)
    goal = Goal(objective)
    try:
        plans = proposed(of, goal)
    except PackingError:
        assume(False)
    for plan in plans.values():
        assert not [v for v in violations(plan, of) if v.fatal]
    again = proposed(of, goal)
    assert [*again] == [*plans]
    assert all(again[which] == plan for which, plan in plans.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_ends_of_the_front_are_ends(name: str) -> None:
    of = request(name)
    plans = proposed(of, Goal("traffic"))
    shown = {
        which: predict_placed(of.prepared, plan, False, of.costs, of.runtime)
        for which, plan in plans.items()
    }
    least = min(p.cross_tuples_per_s for p in shown.values())
    assert shown.get("traffic", shown[""]).cross_tuples_per_s == pytest.approx(least)
    # What the stream managers do depends on the others, so that even is even within that.
    most_even = min(p.load_max_over_mean for p in shown.values())
    assert shown.get("even", shown[""]).load_max_over_mean <= most_even * 1.05


@pytest.mark.parametrize("name", NAMES)
def test_more_effort_is_never_worse(name: str) -> None:
    of = request(name)

    def crossing(effort: str) -> float:
        plan = proposed(of, Goal("traffic", budget=BUDGETS[effort]))
        judged = [judge(which, each, of).prediction for which, each in plan.items()]
        return min(p.cross_tuples_per_s for p in judged if p is not None)

    assert crossing("thorough") <= crossing("default") * (1 + 1e-9)


def test_a_stop_ends_it_after_a_plan() -> None:
    asked = []

    def stop() -> bool:
        asked.append(True)
        return True

    plans = proposed(request("dag3-100"), Goal(budget=DEFAULT_BUDGET.until(stop)))
    assert [*plans] == [""]
    assert asked


@pytest.mark.parametrize("name", NAMES)
def test_free_counts_go_down_to_the_fewest_that_hold_all(name: str) -> None:
    of = replace(request(name), containers_free=True)
    sizes = instance_sizes(of)
    most = of.constraints.max_instances
    assert most is not None
    fewest = fewest_containers(
        sizes.supply, relative_sizes(sizes.needs, hard_limit(of), float(most))
    ).value
    counts = {plan.container_count for plan in proposed(of).values()}
    assert of.constraints.container_count in counts
    assert fewest <= min(counts) <= 1.25 * fewest + 1
    assert max(counts) <= 2 * fewest + 1
    assert len(counts) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_cost_takes_the_fewest_cores_that_surely_carry_the_load(name: str) -> None:
    of = replace(request(name), containers_free=True)
    # Of what people state, so that even threads alone leave little sure.
    enough = Enough(0.0, 0.3)
    decision = choose(of, objective="cost", enough=enough)
    chosen = decision.chosen
    assert chosen.prediction is not None and chosen.intervals is not None
    assert enough.assured(chosen.intervals.sustainable_draws) >= 0.99
    stated = choose(replace(of, containers_free=False), objective="cost", enough=enough).chosen
    assert stated.prediction is not None
    assert chosen.prediction.cores <= stated.prediction.cores


def test_components_are_spread_where_that_is_asked_for() -> None:
    of = replace(request("linear-50"), spread_components=True)
    for plan in proposed(of, Goal("traffic")).values():
        inside = (plan.counts > 0).sum(axis=1)
        assert bool(np.all((inside > 1) | (plan.counts.sum(axis=1) == 1)))
        assert Rule.FAULT_SPREAD not in {v.rule for v in violations(plan, of)}
