from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from packing.candidate import Candidate
from packing.disruption import Disruption
from packing.model import Prediction
from packing.pareto import pareto


def candidate(name: str, figures: tuple[int, ...], failure: str = "") -> Candidate:
    containers, cores, load, cross, restarts = figures
    return Candidate(
        name,
        None,
        Prediction(
            sustainable_load_factor=float(load),
            bottleneck="",
            traffic_tuples_per_s=100.0,
            cross_tuples_per_s=float(cross),
            containers=containers,
            cores=float(cores),
            ram_bytes=1,
            load_max_over_mean=1.0,
            highest_cpu_utilisation=None,
            stream_manager_max_tuples_per_s=0.0,
        ),
        Disruption(9, restarts, restarts, 0, 0, 0, 0),
        failure=failure,
    )


def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """By definition: at least as good in everything and better in something."""
    pairs = [*zip(a[:2], b[:2], strict=True), (-a[2], -b[2]), *zip(a[3:], b[3:], strict=True)]
    return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.integers(1, 3)] * 5), max_size=12))
def test_the_set_is_what_its_definition_says(figures: list[tuple[int, ...]]) -> None:
    candidates = [candidate(str(i), each) for i, each in enumerate(figures)]
    kept = [int(c.planner) for c in pareto(candidates)]
    expected = [
        i
        for i, each in enumerate(figures)
        if each not in figures[:i] and not any(beats(other, each) for other in figures)
    ]
    assert kept == expected


def test_what_cannot_be_used_is_in_nobodys_way() -> None:
    better = candidate("broken", (1, 1, 9, 0, 0), "does not fit")
    worse = candidate("usable", (2, 2, 1, 5, 1))
    assert pareto([better, worse]) == (worse,)
    assert pareto([better]) == ()


def test_differences_of_rounding_are_none() -> None:
    one = candidate("one", (1, 1, 1, 3, 0))
    shifted = Candidate("two", None, one.prediction, one.disruption)
    assert one.prediction is not None
    object.__setattr__(
        shifted,
        "prediction",
        Prediction(
            **{**one.prediction.__dict__, "cross_tuples_per_s": float(np.nextafter(3.0, 0.0))}
        ),
    )
    assert pareto([one, shifted]) == (one,)
