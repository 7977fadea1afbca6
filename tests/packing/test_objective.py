from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.disruption import Disruption
from packing.errors import InvalidRequest
from packing.model import Prediction, predict
from packing.objective import ENOUGH, OBJECTIVES, Enough, reference, score
from packing.profile import Profile

from .build import chain, plan

OF = chain(2, 2)
HERON = predict(
    OF,
    plan(OF, {1: ["spout", "b1"], 2: ["spout", "b1"]}),
    Profile({"spout": 100.0}, {"spout": 0.001, "b1": 0.002}),
)
AGAINST = reference(HERON)
WORSE = {
    "cores": HERON.cores + 1,
    "ram_bytes": HERON.ram_bytes * 2,
    "cross_tuples_per_s": HERON.cross_tuples_per_s * 1.1,
}


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if name != "traffic"])
def test_a_missing_load_outweighs_every_other_gain(objective: str) -> None:
    free = replace(HERON, cores=0.0, ram_bytes=0, cross_tuples_per_s=0.0)
    enough = score(objective, replace(HERON, **WORSE), None, AGAINST, 0.0)
    assert enough < score(objective, free, None, AGAINST, 0.01)


def test_traffic_alone_asks_for_traffic_first() -> None:
    less = replace(HERON, cross_tuples_per_s=HERON.cross_tuples_per_s / 2)
    assert score("traffic", less, None, AGAINST, 0.5) < score("traffic", HERON, None, AGAINST, 0.0)


def slower(prediction: Prediction, by: float) -> Prediction:
    assert prediction.latency is not None
    when = prediction.latency
    return replace(
        prediction, latency=replace(when, mean_s=when.mean_s * by, p99_s=when.p99_s * by)
    )


@pytest.mark.parametrize(
    ("objective", "worse"),
    [
        ("throughput", replace(HERON, sustainable_load_factor=1.0)),
        ("latency", slower(HERON, 1.1)),
        ("cost", replace(HERON, cores=HERON.cores + 1)),
        ("cost", replace(HERON, ram_bytes=HERON.ram_bytes + 1)),
        ("cost", replace(HERON, containers=HERON.containers + 1)),
        ("balanced", replace(HERON, sustainable_load_factor=1.0)),
        ("balanced", replace(HERON, containers=HERON.containers + 1)),
        ("balanced", replace(HERON, cores=HERON.cores + 1)),
        ("balanced", replace(HERON, cross_tuples_per_s=HERON.cross_tuples_per_s * 2)),
        ("balanced", replace(HERON, stream_manager_max_tuples_per_s=1e6)),
        ("balanced", slower(HERON, 1.1)),
    ],
)
def test_each_objective_minds_what_it_says(objective: str, worse: Prediction) -> None:
    assert score(objective, HERON, None, AGAINST) < score(objective, worse, None, AGAINST)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_restarts_are_never_for_nothing(objective: str) -> None:
    calm, moved = Disruption(4, 0, 0, 1, 0, 0, 0), Disruption(4, 1, 1, 1, 0, 0, 0)
    assert score(objective, HERON, calm, AGAINST) < score(objective, HERON, moved, AGAINST)


def test_herons_own_plan_weighs_three() -> None:
    assert score("balanced", HERON, None, AGAINST)[:2] == (0.0, 3.0)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=300), st.floats(0.01, 0.99))
def test_the_assured_load_is_carried_with_the_probability(
    draws: list[float], probability: float
) -> None:
    enough = Enough(0.2, probability)
    assured = enough.assured(np.array(draws))
    carried = np.mean(np.array(draws) >= assured)
    assert carried >= probability - 1e-12
    more = [draw for draw in draws if draw > assured]
    assert len(more) / len(draws) <= probability + 1e-12


def test_shortfall_is_what_is_missing_of_the_load_with_headroom() -> None:
    assert Enough(0.25, 0.9).shortfall(1.0) == pytest.approx(0.2)
    assert ENOUGH.shortfall(1.2) == 0.0
    assert ENOUGH.shortfall(0.0) == 1.0
    assert ENOUGH.shortfall(math.inf) == 0.0


@pytest.mark.parametrize("headroom", [-0.1, math.nan, math.inf])
def test_a_headroom_that_cannot_be(headroom: float) -> None:
    with pytest.raises(InvalidRequest, match=f"the headroom is {headroom:g}"):
        Enough(headroom)


@pytest.mark.parametrize("probability", [0.0, 1.0, -1.0, math.nan])
def test_a_probability_that_cannot_be(probability: float) -> None:
    with pytest.raises(InvalidRequest, match=f"load is {probability:g}; it must be above 0"):
        Enough(probability=probability)
