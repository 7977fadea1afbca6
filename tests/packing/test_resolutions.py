"""What to do about a running topology: one step where one will do, and nothing twice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.heron_costs import shipped_costs
from packing.advice import RateGoal, advise
from packing.advice.actions import (
    UPDATE_PAUSE_S,
    Action,
    ActionKind,
    ActionOutcome,
    PastAction,
    Timing,
)
from packing.advice.judging import START_S
from packing.advice.key_moves import task_ids
from packing.advice.observation import Observation, Symptom, SymptomKind, observed_profile
from packing.advice.resolutions import Resolutions, observed_rate, resolve
from packing.advice.sizing import Sizing
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest
from packing.flows import flows, stream_key
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from packing.resources import GIB
from packing.topology import Grouping, Kind, Topology
from packing.validation import violations

from .build import chain, topology
from .strategies import topologies
from .test_advice import RATE, running, word_count

NO_HEADROOM = RateGoal(RATE, headroom=0.0)
PRESSED = Observation(symptoms=(Symptom(SymptomKind.BACK_PRESSURE, "flat_map", (), 0.9),))


def resolved(
    request: Request,
    goal: RateGoal,
    observation: Observation | None = None,
    past: Sequence[PastAction] = (),
    timing: Timing | None = None,
) -> Resolutions:
    return resolve(request, goal, observation or Observation(), past, timing, planners={})


def done(action: Action, outcome: ActionOutcome, at_s: float = 0.0) -> PastAction:
    return PastAction(action.fingerprint, action.kind, at_s, outcome, {}, dict(action.parallelism))


def chosen(found: Resolutions) -> Action:
    assert found.chosen is not None, [a.reasons for a in found.actions]
    assert found.actions[0] is found.chosen
    assert sum(a.chosen for a in found.actions) == 1
    return found.chosen


def test_word_count_is_healthy_after_one_step() -> None:
    request = running(word_count(1, 1))
    action = chosen(resolved(request, NO_HEADROOM, PRESSED))
    assert action.kind is ActionKind.SCALE_TO_ADVICE
    assert action.parallelism == {"source": 1, "flat_map": 10, "count": 20}
    assert action.downtime_s == UPDATE_PAUSE_S + START_S
    assert action.plan is not None and action.disruption is not None
    assert action.disruption.started_instances == 28
    assert not [v for v in violations(action.plan, replace(
        request, deltas={"flat_map": 9, "count": 19})) if v.fatal]  # fmt: skip
    after = replace(request, current=action.plan)
    assert chosen(resolved(after, NO_HEADROOM)).kind is ActionKind.DO_NOTHING


def test_one_component_alone_is_refused_where_that_does_not_clear_the_symptom() -> None:
    found = resolved(running(word_count(1, 1)), NO_HEADROOM, PRESSED)
    alone = [a for a in found.actions if a.kind is ActionKind.SCALE_UP]
    assert {a.description for a in alone} == {
        "scale flat_map from 1 to 10",
        "scale count from 1 to 20",
    }
    for action in alone:
        assert not action.clears and action.prediction is not None
        assert "not predicted to carry the load" in action.reasons[-1]
    # Counts limit at a twentieth of the load, splitters at a tenth.
    factors = {a.description: a.prediction.sustainable_load_factor for a in alone if a.prediction}
    assert factors["scale flat_map from 1 to 10"] == pytest.approx(0.05)
    assert factors["scale count from 1 to 20"] == pytest.approx(0.1)


def test_one_component_is_enough_where_only_one_is_short() -> None:
    action = chosen(resolved(running(word_count(10, 10)), NO_HEADROOM, PRESSED))
    assert action.kind is ActionKind.SCALE_UP
    assert action.parallelism == {"source": 1, "flat_map": 10, "count": 20}


def test_what_did_not_help_is_not_repeated() -> None:
    request = running(word_count(1, 1))
    first = chosen(resolved(request, NO_HEADROOM, PRESSED))
    again = resolved(request, NO_HEADROOM, PRESSED, [done(first, ActionOutcome.DID_NOT_HELP)])
    assert again.chosen is None
    same = next(a for a in again.actions if a.fingerprint == first.fingerprint)
    assert "did not help" in same.reasons[-1]
    # From another state the same target is another action.
    other = chosen(
        resolved(
            running(word_count(2, 2)), NO_HEADROOM, PRESSED,
            [done(first, ActionOutcome.DID_NOT_HELP)],
        )
    )  # fmt: skip
    assert other.parallelism == first.parallelism
    assert other.fingerprint != first.fingerprint


def test_what_was_too_little_once_may_be_enough_after_something_helped() -> None:
    """Else a topology that grows in two steps every morning would be stuck on the second."""
    request = running(word_count(1, 1))
    first = chosen(resolved(request, NO_HEADROOM, PRESSED))
    before = {"source": 1, "flat_map": 1, "count": 1}
    useless = replace(done(first, ActionOutcome.DID_NOT_HELP, 100.0), before=before)
    more = PastAction("more", ActionKind.SCALE_UP, 200.0, ActionOutcome.HELPED)
    assert resolved(request, NO_HEADROOM, PRESSED, [useless]).chosen is None
    assert (
        resolved(request, NO_HEADROOM, PRESSED, [replace(more, at_s=50.0), useless]).chosen is None
    )
    again = chosen(resolved(request, NO_HEADROOM, PRESSED, [useless, more]))
    assert again.fingerprint == first.fingerprint
    # What was taken away and missed stays refused, whatever helped then.
    large = running(word_count(30, 60))
    taken = chosen(resolved(large, NO_HEADROOM))
    missed = replace(
        done(taken, ActionOutcome.DID_NOT_HELP, 100.0),
        before={"source": 1, "flat_map": 30, "count": 60},
    )
    found = resolved(large, NO_HEADROOM, None, [missed, more], Timing(9e3))
    same = next(a for a in found.actions if a.fingerprint == taken.fingerprint)
    assert not same.clears and "did not help" in same.reasons[-1]


def test_more_than_enough_is_taken_back_with_a_margin() -> None:
    request = running(word_count(30, 60))
    action = chosen(resolved(request, NO_HEADROOM))
    # A tenth more than the load, so that it is not scaled up again at once.
    assert action.parallelism == {"source": 1, "flat_map": 11, "count": 22}
    assert action.downtime_s == UPDATE_PAUSE_S


def test_a_little_more_than_enough_is_left_alone_unless_a_symptom_asks() -> None:
    request = running(word_count(12, 24))
    assert chosen(resolved(request, NO_HEADROOM)).kind is ActionKind.DO_NOTHING
    wasteful = Observation(symptoms=(Symptom(SymptomKind.OVER_PROVISIONED),))
    action = chosen(resolved(request, NO_HEADROOM, wasteful))
    assert action.parallelism == {"source": 1, "flat_map": 11, "count": 22}


def test_nothing_shrinks_within_the_cooldown_after_something_grew() -> None:
    request = running(word_count(30, 60))
    grew = PastAction("x", ActionKind.SCALE_UP, 1000.0)
    soon = resolved(request, NO_HEADROOM, None, [grew], Timing(now_s=1500.0))
    assert chosen(soon).kind is ActionKind.DO_NOTHING
    assert any("grew less than 600 s ago" in r for a in soon.actions for r in a.reasons)
    later = resolved(request, NO_HEADROOM, None, [grew], Timing(now_s=1600.0))
    assert chosen(later).parallelism["count"] == 22


def test_fewer_instances_that_did_not_do_before_are_not_tried_again() -> None:
    request = running(word_count(30, 60))
    tried = PastAction(
        "elsewhere", ActionKind.SCALE_DOWN, 0.0, ActionOutcome.DID_NOT_HELP,
        {"source": 1, "flat_map": 20, "count": 40}, {"source": 1, "flat_map": 12, "count": 24},
    )  # fmt: skip
    found = resolved(request, NO_HEADROOM, None, [tried])
    assert all(a.parallelism != {"source": 1, "flat_map": 11, "count": 22} or not a.clears
               for a in found.actions)  # fmt: skip


def test_nothing_shrinks_while_something_is_wrong() -> None:
    request = running(word_count(30, 60))
    found = resolved(request, NO_HEADROOM, Observation(symptoms=(Symptom(SymptomKind.DATA_SKEW),)))
    assert found.chosen is None
    assert any("while something is wrong" in r for a in found.actions for r in a.reasons)


def test_back_pressure_that_the_load_does_not_explain_is_not_answered_with_instances() -> None:
    measured = Observation(
        service_s={"flat_map": 60 / 100_000, "count": 60 / 1_000_000},
        symptoms=(Symptom(SymptomKind.BACK_PRESSURE, "count", (), 0.4),),
    )
    found = resolved(running(word_count(14, 28)), RateGoal(RATE), measured)
    assert found.chosen is None
    nothing = next(a for a in found.actions if a.kind is ActionKind.DO_NOTHING)
    assert "nothing that is known of the load explains it" in nothing.reasons[-1]


def test_back_pressure_corrects_a_time_that_nobody_measured() -> None:
    # 60 % of the load got through 14 splitters: each executes 0.6 x 16,667 / 14 tuples/s.
    symptom = Symptom(SymptomKind.BACK_PRESSURE, "flat_map", (), 0.4)
    request = running(word_count(14, 28))
    profile = replace(request.profile, service_s={**request.profile.service_s, "flat_map": 1e-4})
    found = resolved(
        replace(request, profile=profile), NO_HEADROOM, Observation(symptoms=(symptom,))
    )
    assert chosen(found).parallelism["flat_map"] == math.ceil(14 / 0.6)


def slow(task: int = 3, factor: float = 3.0) -> Observation:
    """A splitter that takes longer than two of its siblings."""
    return Observation(
        instance_service_s={task: factor * 6e-4, task + 1: 6e-4, task + 2: 6e-4},
        symptoms=(Symptom(SymptomKind.SLOW_INSTANCE, "flat_map", (task,)),),
    )


def test_a_slow_instance_is_restarted_and_then_moved() -> None:
    request = running(word_count(14, 28))
    action = chosen(resolved(request, RateGoal(RATE), slow()))
    assert action.kind is ActionKind.RESTART_INSTANCE and action.task_ids == (3,)
    assert action.container_id in request.current.container_ids  # type: ignore[union-attr]
    assert action.plan is None and action.downtime_s == START_S
    past = [done(action, ActionOutcome.DID_NOT_HELP)]
    moved = chosen(resolved(request, RateGoal(RATE), slow(), past))
    assert moved.kind is ActionKind.MOVE_INSTANCE and moved.plan is not None
    assert moved.disruption is not None and moved.disruption.moved_instances == 1
    assert not [v for v in violations(moved.plan, request) if v.fatal]
    assert moved.downtime_s > action.downtime_s


def test_restarts_that_helped_before_are_likelier_to() -> None:
    request = running(word_count(14, 28))
    first = chosen(resolved(request, RateGoal(RATE), slow()))
    helped = [PastAction("other", first.kind, 0.0, ActionOutcome.HELPED)]
    assert first.probability == 0.5
    assert chosen(resolved(request, RateGoal(RATE), slow(), helped)).probability > 0.6


def test_a_slow_instance_with_time_to_spare_is_left_alone() -> None:
    request = running(word_count(40, 80))
    found = resolved(request, RateGoal(RATE), slow(factor=2.0))
    assert not any(a.clears for a in found.actions if a.kind is ActionKind.SCALE_UP)
    assert chosen(found).kind is not ActionKind.RESTART_INSTANCE


def test_containers_that_are_too_weak_are_spread_out() -> None:
    of = topology({"spout": 1, "bolt": 8}, [("spout", "bolt", Grouping.SHUFFLE)])
    profile = Profile(rate_per_s={"spout": 1000.0}, service_s={"spout": 0.0, "bolt": 5e-3})
    stated = Constraints(
        container_count=1, cpu_padding_cores=1.0, component_cpu_cores={"bolt": 0.1, "spout": 0.1}
    )
    request = Request(of, stated, profile=profile)
    request = replace(request, current=round_robin(request))
    found = resolved(request, RateGoal(1000.0, headroom=0.0), PRESSED_BOLT)
    action = chosen(found)
    assert action.kind is ActionKind.CHANGE_CONTAINERS
    assert action.parallelism == {"spout": 1, "bolt": 8}
    assert action.prediction is not None
    assert (action.prediction.sustainable_load_factor or 0.0) >= 1.0


PRESSED_BOLT = Observation(
    service_s={"bolt": 5e-3}, symptoms=(Symptom(SymptomKind.BACK_PRESSURE, "bolt", (), 0.5),)
)


@pytest.mark.parametrize("start", [(1, 1), (3, 9), (10, 20), (22, 30), (40, 80)])
@pytest.mark.parametrize("headroom", [0.0, 0.2])
def test_the_state_after_an_action_asks_for_no_other(
    start: tuple[int, int], headroom: float
) -> None:
    request, goal = running(word_count(*start)), RateGoal(RATE, headroom)
    action = chosen(resolved(request, goal))
    if action.plan is not None:
        request = replace(request, current=action.plan)
    assert chosen(resolved(request, goal)).kind is ActionKind.DO_NOTHING


def test_a_day_of_rising_and_falling_load_turns_round_only_with_the_load() -> None:
    request = running(word_count(10, 20))
    past: list[PastAction] = []
    changes: list[tuple[float, int]] = []
    for hour in range(0, 48):
        rate = RATE * (1.0 + 0.6 * math.sin(2 * math.pi * hour / 24)) * (1.03, 0.97)[hour % 2]
        now_s = 3600.0 * hour
        found = resolved(request, RateGoal(rate), None, past, Timing(now_s))
        action = chosen(found)
        if action.plan is None:
            continue
        assert request.current is not None
        before = request.current.instance_count
        changes.append((hour, action.plan.instance_count - before))
        past.append(
            PastAction(
                action.fingerprint, action.kind, now_s, ActionOutcome.HELPED,
                dict(request.current.parallelism), dict(action.parallelism),
            )
        )  # fmt: skip
        request = replace(request, current=action.plan)
    turns = [
        hour for (_, before), (hour, change) in itertools.pairwise(changes) if before * change < 0
    ]
    # Two days: the load turns round four times.
    assert len(turns) <= 4
    assert len(changes) <= 16


def test_the_offered_rate_follows_from_what_got_through() -> None:
    request = running(word_count(1, 1))
    seen = Observation(tuples_per_s={"source": 0.1 * RATE}, symptoms=PRESSED.symptoms)
    assert observed_rate(0.0, request, seen) == pytest.approx(RATE), "as declared"
    undeclared = replace(request, profile=replace(request.profile, rate_per_s={}))
    assert observed_rate(0.0, undeclared, seen) == pytest.approx(0.2 * RATE), "twice of that"
    assert observed_rate(5.0, request, seen) == 5.0
    with pytest.raises(InvalidRequest, match="not every spout was observed"):
        observed_rate(0.0, request, Observation())


def test_observed_rates_correct_selectivities_and_shares() -> None:
    request = running(word_count(2, 2))
    plan = request.current
    assert plan is not None
    counts = [int(t) for t, c in zip(plan.task_id, plan.component, strict=True) if c == 2]
    seen = Observation(
        tuples_per_s={"source": 100.0, "flat_map": 100.0, "count": 3000.0},
        instance_tuples_per_s={counts[0]: 2400.0, counts[1]: 600.0},
        instance_service_s={counts[0]: 2e-5, counts[1]: 2e-5},
    )
    profile = observed_profile(request.profile, request.topology, plan, seen)
    key = ("flat_map", "count", "default")
    assert profile.selectivity[key] == pytest.approx(30.0)
    assert profile.key_shares[key] == pytest.approx((0.8, 0.2))
    assert profile.service_s["count"] == 2e-5
    assert profile.service_s["flat_map"] == request.profile.service_s["flat_map"]


def line(parallelism: int, *service_s: float) -> Request:
    """A running spout with bolts in a row."""
    of = chain(1, *[parallelism] * len(service_s))
    names = of.names[1:]
    profile = Profile(
        rate_per_s={"spout": 100.0},
        service_s={"spout": 0.0, **dict(zip(names, service_s, strict=True))},
    )
    return running(Request(of, Constraints(container_count=1), profile=profile))


def corrected(request: Request, **tuples_per_s: float) -> dict[str, float]:
    """Rates by the profile that observed rates make of the request's."""
    plan = request.current
    assert plan is not None
    seen = Observation(tuples_per_s=tuples_per_s)
    profile = observed_profile(request.profile, request.topology, plan, seen)
    of = request.topology.with_parallelism(plan.parallelism)
    return dict(zip(of.names, flows(of, profile).input_per_s.tolist(), strict=True))


def test_a_slow_instance_does_not_make_its_component_slow() -> None:
    request = line(2, 1e-3)
    plan = request.current
    assert plan is not None
    one, other = task_ids(plan)["b1"]
    seen = Observation(instance_service_s={one: 2e-3, other: 8e-3})
    assert seen.slowness(plan) == {other: 4.0}
    profile = observed_profile(request.profile, request.topology, plan, seen)
    assert profile.service_s["b1"] == 2e-3


def test_what_was_not_observed_gets_as_much_more_as_what_was() -> None:
    request = line(1, 0.0, 0.0, 0.0)
    found = corrected(request, spout=100.0, b1=300.0)
    assert found == pytest.approx({"spout": 100.0, "b1": 300.0, "b2": 300.0, "b3": 300.0})
    found = corrected(request, spout=50.0, b1=150.0, b3=75.0)
    assert found == pytest.approx({"spout": 50.0, "b1": 150.0, "b2": 150.0, "b3": 75.0})


@settings(max_examples=200, deadline=None)
@given(topologies(loops=True), st.data())
def test_observed_rates_follow_from_the_corrected_profile(
    of: Topology, data: st.DataObject
) -> None:
    # Loops that die out.
    some = st.just(0.0) | st.floats(0.01, 0.2)
    selectivity = {stream_key(s): data.draw(some) for s in of.streams}
    rates = {c.name: 100.0 for c in of.components if c.kind is Kind.SPOUT}
    profile = Profile(rate_per_s=rates, selectivity=selectivity)
    try:
        before = dict(zip(of.names, flows(of, profile).input_per_s.tolist(), strict=True))
    except InvalidRequest:
        return
    seen = {n: r * c.parallelism for c in of.components for n, r in rates.items() if n == c.name}
    seen |= {
        c.name: before[c.name] * data.draw(st.floats(0.9, 1.1))
        for c in of.components
        if c.kind is Kind.BOLT and data.draw(st.booleans())
    }
    request = running(Request(of, Constraints(container_count=1), profile=profile))
    after = corrected(request, **seen)
    for name, rate in seen.items():
        if before[name] < 1e-6:
            continue
        assert after[name] == pytest.approx(rate, rel=1e-6, abs=1e-9)


def test_a_shrinking_plan_keeps_the_latency_at_the_load_as_well() -> None:
    """Packets fill sooner at a higher rate: a tenth more load can be in time where this is not."""
    request = line(3, 2e-4)
    request = replace(request, topology=chain(2, 3), costs=shipped_costs().costs, current=None)
    request = running(request)
    wasteful = Observation(symptoms=(Symptom(SymptomKind.OVER_PROVISIONED),))
    smaller = chosen(resolved(request, RateGoal(100.0), wasteful))
    assert smaller.kind is ActionKind.SCALE_DOWN and smaller.prediction is not None
    assert smaller.prediction.latency is not None
    late_s = smaller.prediction.latency.p99_s
    goal = RateGoal(100.0, latency_p99_limit_s=late_s - 1e-4)
    more = Sizing(request, replace(goal, rate_per_s=110.0)).plans.calmest(smaller.parallelism)
    assert more.in_time, "or the case shows nothing"
    found = resolved(request, goal, wasteful)
    assert chosen(found).kind is ActionKind.DO_NOTHING
    refused = next(a for a in found.actions if a.kind is ActionKind.SCALE_DOWN)
    assert "its latency would be 27 ms (99th percentile), at most" in refused.reasons[-1]


def test_a_slow_instance_is_not_restarted_where_the_latency_is_missed_without_it() -> None:
    request = running(replace(word_count(14, 28), costs=shipped_costs().costs))
    found = resolved(request, RateGoal(RATE, latency_p99_limit_s=0.02), slow())
    assert found.chosen is None
    restart = next(a for a in found.actions if a.kind is ActionKind.RESTART_INSTANCE)
    assert "the slow instance is not all that is wrong" in restart.reasons[-1]


def test_a_topology_that_cannot_grow_is_judged_all_the_same() -> None:
    """Instances of the advised parallelism find no place in the containers that there are."""
    request = line(2, 1e-3)
    stated = Constraints(container_count=1, container_ram_bytes=4 * GIB)
    request = running(replace(request, current=None, constraints=stated))
    with pytest.raises(Infeasible):
        advise(request, RateGoal(9000.0, container_count=1), {}, load_factors=())
    found = resolved(request, RateGoal(9000.0, container_count=1))
    assert found.chosen is None and found.advice.plan is None and found.advice.impossible
    assert found.advice.highest_rate_per_s is None
    # A slow instance is restarted though there is no room for another one.
    tasks = task_ids(request.current)["b1"]  # type: ignore[arg-type]
    seen = Observation(instance_service_s={tasks[0]: 1e-3, tasks[1]: 5e-3})
    fits = RateGoal(1900.0, headroom=0.9, container_count=1)
    with pytest.raises(Infeasible):
        advise(request, fits, {}, load_factors=())
    assert chosen(resolved(request, fits, seen)).kind is ActionKind.RESTART_INSTANCE


def test_silent_spouts_tell_no_rate_but_what_they_declare_may() -> None:
    request = running(word_count(1, 1))
    stuck = Observation(
        tuples_per_s={"source": 0.0},
        symptoms=(Symptom(SymptomKind.BACK_PRESSURE, back_pressure_share=1.0),),
    )
    assert observed_rate(0.0, request, stuck) == pytest.approx(RATE)
    undeclared = replace(request, profile=replace(request.profile, rate_per_s={}))
    with pytest.raises(InvalidRequest, match="observed to emit 0 tuples/s"):
        observed_rate(0.0, undeclared, stuck)


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (Observation(tuples_per_s={"nobody": 1.0}), "component 'nobody' was observed"),
        (Observation(instance_service_s={99: 1.0}), "task 99 was observed"),
    ],
)
def test_observations_of_what_does_not_run(seen: Observation, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        resolved(running(word_count(1, 1)), NO_HEADROOM, seen)


def test_resolutions_need_a_running_plan() -> None:
    with pytest.raises(InvalidRequest, match="state its current plan"):
        resolved(word_count(1, 1), NO_HEADROOM)


def test_a_hot_key_is_answered_with_the_reason_and_no_action() -> None:
    of = topology({"spout": 1, "count": 2}, [("spout", "count", Grouping.FIELDS)])
    key = ("spout", "count", "default")
    profile = Profile(
        rate_per_s={"spout": 2000.0},
        service_s={"spout": 0.0, "count": 1e-3},
        key_weights={key: {"hot": 60.0} | {f"k{i}": 1.0 for i in range(40)}},
    )
    request = Request(of, Constraints(container_count=1), profile=profile)
    request = replace(request, current=round_robin(request))
    found = resolved(request, RateGoal(2000.0, headroom=0.0))
    assert found.chosen is None
    assert "no parallelism helps: key 'hot' carries 60%" in found.advice.impossible
