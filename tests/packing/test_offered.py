"""The rate on offer while spouts are held back: bounds that hold, and a step that is safe."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packing.advice.observation import Observation, Symptom, SymptomKind
from packing.advice.offered import LARGEST_STEP, SAME_RATE, OfferedRate, declared_rate
from packing.constraints import Constraints
from packing.planners.round_robin import round_robin
from packing.profile import Origin, Profile, Source
from packing.request import Request
from packing.simulation import ComponentLoad, Mechanics, SimulatedLoad, StreamLoad, simulate
from packing.simulation.mechanics import KIB

from .build import topology

SPOUTS = 2
OFFERED = 2000.0
TUPLE_BYTES = 200.0
EMITTED = 1.02
"""A window may begin with buffers a little emptier than it ends."""

rates = st.floats(1.0, 1e6)
shares = st.floats(0.0, 1.0)


def simulated(
    overload: float, mark_s: float, low: float, catch_up_s: float, socket_kib: float
) -> OfferedRate:
    """What is observed of a bolt that is offered `overload` times its capacity.

    `mark_s`: seconds of emission that the high water mark holds; `low`: the low mark over the high.
    """
    of = topology({"spout": SPOUTS, "bolt": 1}, [("spout", "bolt")])
    plan = round_robin(Request(of, Constraints(container_count=1)))
    load = SimulatedLoad(
        {
            "spout": ComponentLoad(rate_per_s=OFFERED / SPOUTS),
            "bolt": ComponentLoad(cpu_s=overload / OFFERED),
        },
        {("spout", "bolt", "default"): StreamLoad(tuple_bytes=TUPLE_BYTES)},
    )
    high = mark_s * OFFERED * TUPLE_BYTES
    mechanics = replace(
        Mechanics(), high_water_bytes=high, low_water_bytes=high * low,
        socket_bytes=socket_kib * KIB, spout_catch_up_s=catch_up_s,
    )  # fmt: skip
    warmup_s = 3.0 + 4.0 * mark_s
    found = simulate(of, plan, load, mechanics, seed=1, warmup_s=warmup_s, window_s=20.0)
    emitted = float(found.emits_per_s[plan.component == 0].sum())
    symptom = Symptom(SymptomKind.BACK_PRESSURE, back_pressure_share=min(1, found.back_pressure))
    seen = Observation(tuples_per_s={"spout": emitted}, symptoms=(symptom,))
    offered = seen.offered_rate(of)
    assert offered is not None
    return offered


@pytest.mark.parametrize("socket_kib", [16, 256])
@pytest.mark.parametrize("catch_up_s", [0.0, 0.5])
@pytest.mark.parametrize(("mark_s", "low"), [(0.03, 0.5), (0.3, 0.5), (0.3, 0.9), (2.0, 0.5)])
@pytest.mark.parametrize("overload", [1.2, 2.0, 4.0])
def test_what_is_offered_lies_between_the_bounds(
    overload: float, mark_s: float, low: float, catch_up_s: float, socket_kib: float
) -> None:
    found = simulated(overload, mark_s, low, catch_up_s, socket_kib)
    assert found.low_per_s <= EMITTED * OFFERED
    assert found.high_per_s >= 0.94 * OFFERED
    assert found.estimate() <= LARGEST_STEP * EMITTED * OFFERED


@pytest.mark.parametrize("overload", [1.2, 2.0, 4.0])
def test_far_water_marks_tell_what_is_offered(overload: float) -> None:
    """Where spouts do not catch up, and sockets hold little of what a pause keeps back."""
    assert simulated(overload, 2.0, 0.5, 0.0, 16).high_per_s == pytest.approx(OFFERED, rel=0.06)


def test_near_water_marks_do_not() -> None:
    """The same share of time for any overload; so the step is limited instead."""
    found = [simulated(overload, 0.06, 0.5, 0.5, 256) for overload in (1.2, 2.0, 4.0)]
    assert all(f.high_per_s == math.inf for f in found)
    assert [f.estimate() / OFFERED for f in found] == pytest.approx([2 / 1.2, 1.0, 0.5], rel=0.15)


@given(rates, shares, st.none() | rates)
def test_the_estimate_is_within_the_bounds(
    emitted: float, share: float, declared: float | None
) -> None:
    bounds = OfferedRate.held_back(emitted, share)
    found = bounds.estimate(declared)
    assert emitted / SAME_RATE <= found <= bounds.high_per_s * SAME_RATE
    if found != declared:
        assert found <= LARGEST_STEP * emitted


def test_without_back_pressure_it_is_what_was_emitted() -> None:
    assert OfferedRate.held_back(100.0, 0.0).estimate() == 100.0
    assert OfferedRate.held_back(100.0, 0.0).estimate(400.0) == 100.0


@given(rates, st.floats(1.0, 100.0))
def test_steps_reach_what_is_offered_without_passing_twice_of_it(
    capacity: float, overload: float
) -> None:
    """Each step carries what was estimated; spouts are held back all the time until one does."""
    offered, steps = capacity * overload, 0
    while capacity < offered:
        capacity = OfferedRate.held_back(capacity, 1.0).estimate()
        steps += 1
    assert capacity <= LARGEST_STEP * offered * (1 + 1e-9)
    # The fewest steps that reach it.
    assert LARGEST_STEP ** (steps - 1) < overload <= LARGEST_STEP**steps * (1 + 1e-9)


def test_a_declared_rate_is_planned_for_where_what_was_seen_allows_it() -> None:
    held = OfferedRate.held_back(100.0, 0.98)
    assert held.estimate(700.0) == 700.0
    assert held.estimate(90.0) == 200.0
    assert OfferedRate.held_back(100.0, 0.5).estimate(700.0) == 200.0


def test_only_what_developers_say_is_declared() -> None:
    of = topology({"spout": 3, "bolt": 1}, [("spout", "bolt")])
    profile = Profile(rate_per_s={"spout": 50.0}, service_s={"bolt": 1e-3})
    assert declared_rate(of, profile) == 150.0
    assert declared_rate(of, Profile(service_s={"bolt": 1e-3})) is None
    measured = {("rate_per_s", "spout"): Origin(Source.MEASURED, 0.05)}
    assert declared_rate(of, replace(profile, origin=measured)) is None
