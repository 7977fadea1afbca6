from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bridge.comparison import (
    Wanted,
    compare,
    comparison_to_json,
    prediction_to_json,
    request_for,
    rescale,
)
from bridge.workload import load_workload
from packing.choose import ask
from packing.goal import Goal
from packing.model import predict
from packing.objective import Enough
from packing.plan import Plan
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from tests.packing.build import DATA, chain, plan

SMALL = load_workload(DATA / "topologies" / "star-10.json")


def test_what_is_not_finite_is_null_in_json() -> None:
    starved = plan(chain(1), {1: ["spout"]})
    starved = replace(starved, container_cpu_cores=np.zeros(1), cpu_cores=np.zeros(1))
    prediction = predict(chain(1), starved, Profile({"spout": 10.0}, {"spout": 0.01}))
    assert prediction.sustainable_load_factor == 0.0
    assert prediction.highest_cpu_utilisation == float("inf")
    shown = prediction_to_json(prediction)
    assert shown["highest_cpu_utilisation"] is None
    assert shown["sustainable_load_factor"] == 0.0
    json.dumps(shown, allow_nan=False)


def test_a_change_that_a_planner_cannot_make_is_told() -> None:
    def packs_only(request: Request) -> Plan:
        if request.current is not None:
            raise NotImplementedError("no updates")
        return round_robin(request)

    candidate = ask("packs_only", packs_only, request_for(SMALL))
    changes = rescale(SMALL, candidate, packs_only)
    assert [change.delta for change in changes] == [SMALL.scale.up, SMALL.scale.down]  # type: ignore[union-attr]
    for change in changes:
        assert not change.candidate.usable
        assert "NotImplementedError: no updates" in change.candidate.failure


def test_nothing_is_tried_where_no_change_is_proposed() -> None:
    still = replace(SMALL, scale=None)
    candidate = ask("round_robin", round_robin, request_for(still))
    assert rescale(still, candidate, round_robin) == []
    found = comparison_to_json(still, compare(still), {})
    assert all("repack" not in c for c in found["candidates"])


def test_json_says_what_was_asked_and_how_near_the_best_it_is() -> None:
    wanted = Wanted(Goal("cost", Enough(0.5, 0.75)))
    decision = compare(SMALL, wanted=wanted)
    found = comparison_to_json(SMALL, decision, {})
    assert (found["objective"], found["headroom"], found["probability"]) == ("cost", 0.5, 0.75)
    assert found["chosen"] in found["pareto"]
    by_planner = {c["planner"]: c for c in found["candidates"]}
    chosen = by_planner[found["chosen"]]
    assert decision.chosen.intervals is not None
    draws = decision.chosen.intervals.sustainable_draws
    assert np.mean(draws >= chosen["assured_load_factor"]) >= 0.75
    bounds, gaps, prediction = found["bounds"], found["gaps"], chosen["prediction"]
    assert bounds["containers"]["value"] == prediction["containers"] - gaps["containers"]
    assert bounds["cross_fraction"] == pytest.approx(
        prediction["cross_fraction"] - gaps["cross_fraction"]
    )
    highest = bounds["sustainable_load_factor"]
    assert highest["how"]
    assert highest["value"] == pytest.approx(
        prediction["sustainable_load_factor"] * (1 + gaps["sustainable_load"])
    )
    assert json.loads(json.dumps(found, allow_nan=False))


def test_containers_may_be_open_to_choice() -> None:
    free = compare(SMALL, wanted=Wanted(Goal("cost"), containers_free=True))
    counts = {c.plan.container_count for c in free.candidates if c.plan is not None}
    assert len(counts) > 1
    assert not free.chosen.violations


def test_components_may_be_spread() -> None:
    decision = compare(SMALL, wanted=Wanted(spread_components=True))
    counts = decision.plan.counts
    assert all((row > 0).sum() > 1 for row in counts if row.sum() > 1)


def test_the_same_workload_compares_the_same() -> None:
    one, other = (
        comparison_to_json(SMALL, compare(SMALL, wanted=Wanted(Goal("traffic"))), {})
        for _ in range(2)
    )
    for found in (one, other):
        for candidate in found["candidates"]:
            candidate.pop("ms")
    assert json.dumps(one) == json.dumps(other)
