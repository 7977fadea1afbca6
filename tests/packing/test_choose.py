from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from packing.choose import CURRENT, HERON, Decision, HeronPlan, ask, choose
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest, UnsupportedRequest
from packing.goal import Goal
from packing.model import predict
from packing.objective import HEADROOM, OBJECTIVES, Enough, pressure, reference, score
from packing.plan import Plan
from packing.planners import BUILT_IN
from packing.planners.round_robin import round_robin
from packing.profile import Profile, Source, stream_key
from packing.request import Request
from packing.resources import GIB, Resources
from packing.search.budget import DEFAULT_BUDGET
from packing.topology import Grouping
from packing.validation import violations

from .build import chain, plan, topology
from .strategies import pack_requests, plans, repack_requests

FEW = settings(max_examples=60, deadline=None)


def decide(request: Request, heron: HeronPlan | None, objective: str) -> Decision | None:
    try:
        return choose(request, heron=heron, objective=objective)
    except Infeasible:
        return None


def never_worse(decision: Decision, heron: Plan, request: Request) -> None:
    candidate = ask(HERON, lambda _: heron, request)
    assert violations(decision.plan, request) == list(decision.chosen.violations)
    assert not any(v.fatal for v in decision.chosen.violations)
    assert decision.plan is decision.chosen.plan
    if candidate.prediction is None or request.changes_nothing:
        return
    assert decision.chosen.prediction is not None
    if candidate.prediction.sustainable_load_factor is None:
        return  # nothing was predicted of the load
    ours, theirs = pressure(decision.chosen.prediction), pressure(candidate.prediction)
    assert ours <= max(theirs * (1 + 1e-6), 1 / (1 + HEADROOM))


def same_again(decision: Decision, again: Decision | None) -> None:
    assert again is not None
    assert again.plan == decision.plan
    assert again.reasons == decision.reasons
    assert [c.plan for c in again.candidates] == [c.plan for c in decision.candidates]


@FEW
@given(pack_requests(), st.data(), st.sampled_from([*OBJECTIVES]))
def test_a_pack_is_never_worse_than_herons(
    request: Request, data: st.DataObject, objective: str
) -> None:
    heron = data.draw(plans(request.topology))
    decision = decide(request, HeronPlan(heron), objective)
    assume(decision is not None)
    assert decision is not None
    never_worse(decision, heron, request)
    same_again(decision, decide(request, HeronPlan(heron), objective))


@FEW
@given(repack_requests(), st.data(), st.sampled_from([*OBJECTIVES]))
def test_an_update_is_never_worse_than_herons(
    request: Request, data: st.DataObject, objective: str
) -> None:
    heron = data.draw(plans(request.target))
    decision = decide(request, HeronPlan(heron), objective)
    assume(decision is not None)
    assert decision is not None
    never_worse(decision, heron, request)
    same_again(decision, decide(request, HeronPlan(heron), objective))


def prefers(objective: str, plans_by_name: dict[str, Plan], request: Request) -> str:
    planners = {name: (lambda _, p=p: p) for name, p in plans_by_name.items()}
    return choose(request, planners, objective=objective).chosen.planner


# Two pipelines of one spout and one bolt each; the second bolt does nearly all the work.
PAIRS = topology({"s1": 1, "s2": 1, "b1": 1, "b2": 1}, [("s1", "b1"), ("s2", "b2")])
TOGETHER = plan(PAIRS, {1: ["s1", "b1"], 2: ["s2", "b2"]})
ACROSS = plan(PAIRS, {1: ["s1", "b2"], 2: ["s2", "b1"]})
LOADED = Request(
    PAIRS,
    Constraints(container_count=2),
    profile=Profile(
        {"s1": 100.0, "s2": 100.0}, {"s1": 0.001, "s2": 0.004, "b1": 0.001, "b2": 0.004}
    ),
)


def test_traffic_prefers_what_stays_inside_and_throughput_what_carries_more() -> None:
    # Together: containers busy 0.2 and 0.8 of a core; across: 0.5 and 0.5. Containers of 0.8 cores.
    small = {"container_cpu_cores": np.array([0.8, 0.8]), "cpu_cores": np.full(4, 0.4)}
    candidates = {"across": replace(ACROSS, **small), "together": replace(TOGETHER, **small)}
    assert prefers("traffic", candidates, LOADED) == "together"
    assert prefers("throughput", candidates, LOADED) == "across"


def test_throughput_turns_to_traffic_where_both_carry_the_same() -> None:
    # In large containers the thread of the busiest instance limits both.
    assert prefers("throughput", {"across": ACROSS, "together": TOGETHER}, LOADED) == "together"


def test_latency_prefers_the_less_busy_stream_manager() -> None:
    # Both bolts of 10 get every tuple of the spout; one container's stream manager sees them all,
    # or each sees its own share.
    of = topology({"s": 1, "b": 2}, [("s", "b", Grouping.ALL)])
    one = plan(of, {1: ["s", "b", "b"], 2: []}, container=Resources(4.0, 4 * GIB, 4 * GIB))
    one = replace(
        one,
        container_ids=np.array([1]),
        **{
            f"container_{what}": getattr(one, f"container_{what}")[:1]
            for what in ("cpu_cores", "ram_bytes", "disk_bytes")
        },
    )
    apart = plan(of, {1: ["s"], 2: ["b"], 3: ["b"]})
    request = Request(
        of, Constraints(), profile=Profile({"s": 10.0}, {"s": 0.001, "b": 0.001}),
        containers_free=True,
    )  # fmt: skip
    # All 20 tuples/s pass container 1 in both, so traffic decides: nothing crosses in one.
    assert prefers("latency", {"apart": apart, "one": one}, request) == "one"


def test_cost_prefers_fewer_cores() -> None:
    cheap = replace(ACROSS, container_cpu_cores=np.array([2.0, 2.0]))
    assert prefers("cost", {"dear": TOGETHER, "cheap": cheap}, LOADED) == "cheap"
    assert prefers("traffic", {"cheap": cheap, "dear": TOGETHER}, LOADED) == "dear"


def test_cost_does_not_undercut_what_heron_would_carry() -> None:
    starved = replace(
        TOGETHER, container_cpu_cores=np.array([0.5, 0.5]), cpu_cores=np.full(4, 0.25)
    )
    decision = choose(LOADED, {"starved": lambda _: starved}, HeronPlan(ACROSS), "cost")
    assert decision.chosen.planner == HERON


STREAMS = [stream_key(stream) for stream in PAIRS.streams]
MEASURED = replace(
    LOADED,
    profile=replace(
        LOADED.profile,
        source=Source.MEASURED,
        selectivity=dict.fromkeys(STREAMS, 1.0),
        tuple_bytes=dict.fromkeys(STREAMS, 100.0),
    ),
)
# Its second container needs 0.8 of its 1.2 cores: 1.5 times the load.
LEAN = replace(TOGETHER, container_cpu_cores=np.array([1.2, 1.2]), cpu_cores=np.full(4, 0.5))


def test_cost_may_undercut_heron_where_it_is_sure_to_carry_the_load_with_headroom() -> None:
    decision = choose(MEASURED, {"lean": lambda _: LEAN}, HeronPlan(ACROSS), "cost")
    assert decision.chosen.planner == "lean"


def test_cost_does_not_undercut_heron_on_a_guess() -> None:
    # The same prediction, but of times that someone only declared.
    decision = choose(LOADED, {"lean": lambda _: LEAN}, HeronPlan(ACROSS), "cost")
    assert decision.chosen.planner == HERON


@pytest.mark.parametrize(
    ("enough", "better"),
    [
        (Enough(0.2, 0.9), "lean"),
        (Enough(0.45, 0.5), "lean"),
        (Enough(0.45, 0.99), "dear"),
        (Enough(0.6, 0.5), "dear"),
    ],
)
def test_headroom_and_probability_say_when_load_is_enough(enough: Enough, better: str) -> None:
    planners = {"dear": lambda _: ACROSS, "lean": lambda _: LEAN}
    decision = choose(MEASURED, planners, None, "cost", enough=enough)
    assert decision.chosen.planner == better
    assert decision.enough == enough


def test_the_front_is_drawn_and_nothing_that_is_chosen_is_undrawn() -> None:
    slow = replace(TOGETHER, container_cpu_cores=np.array([0.3, 0.3]), cpu_cores=np.full(4, 0.1))
    planners = {
        "first": lambda _: LEAN,
        "second": lambda _: ACROSS,
        "third": lambda _: TOGETHER,
        "slow": lambda _: slow,
    }
    decision = choose(MEASURED, planners, None, "throughput")
    drawn = {c.planner for c in decision.candidates if c.intervals is not None}
    assert decision.chosen.planner in drawn
    assert "first" in drawn, "what the others are compared with"
    assert "slow" not in drawn


class Several:
    """A planner of several plans that records how far it was asked."""

    def __init__(self, *answers: tuple[str, object]) -> None:
        self.answers = answers
        self.given: list[str] = []
        self.goals: list[Goal] = []

    def __call__(self, _request: Request) -> Plan:
        raise AssertionError("asked for one plan")

    def propose(self, _request: Request, goal: Goal) -> Iterator[tuple[str, Plan]]:
        self.goals.append(goal)
        for which, answer in self.answers:
            if isinstance(answer, Exception):
                raise answer
            self.given.append(which)
            yield which, answer  # type: ignore[misc]


def test_every_plan_of_a_proposer_is_a_candidate_with_a_name_of_its_own() -> None:
    several = Several(("", ACROSS), ("traffic", TOGETHER))
    decision = choose(LOADED, {"ours": several}, objective="traffic")
    assert [c.planner for c in decision.candidates] == ["ours", "ours/traffic"]
    assert decision.chosen.planner == "ours/traffic"
    assert several.goals == [Goal("traffic")]


def test_equal_plans_of_a_proposer_count_once_and_of_planners_each() -> None:
    twin = replace(ACROSS)
    several = Several(("", ACROSS), ("again", twin), ("traffic", TOGETHER))
    decision = choose(LOADED, {"one": lambda _: twin, "ours": several, "two": lambda _: ACROSS})
    assert [c.planner for c in decision.candidates] == ["one", "ours", "ours/traffic", "two"]
    first, again, _, last = decision.candidates
    assert first.prediction is again.prediction is last.prediction


def test_a_proposer_that_fails_later_keeps_what_it_has_given() -> None:
    several = Several(("", ACROSS), ("next", ValueError("lost")))
    decision = choose(LOADED, {"ours": several})
    assert [(c.planner, c.failure) for c in decision.candidates] == [
        ("ours", ""),
        ("ours/2", "the planner failed with ValueError: lost"),
    ]
    with pytest.raises(Infeasible, match="ours: the planner proposed no plan"):
        choose(LOADED, {"ours": Several()})


def test_nobody_is_asked_once_time_is_over_and_there_is_a_plan() -> None:
    over = DEFAULT_BUDGET.until(lambda: True)
    planners = {
        "none": raises(Infeasible("too full")),
        "across": lambda _: ACROSS,
        "late": raises(AssertionError()),
    }
    decision = choose(LOADED, planners, budget=over)
    assert decision.chosen.planner == "across"
    assert decision.candidates[2].failure.startswith("not asked: the time")


def test_the_pareto_set_holds_the_chosen_plan_and_nothing_beaten() -> None:
    beaten = replace(ACROSS, container_cpu_cores=ACROSS.container_cpu_cores + 1)
    planners = {"across": lambda _: ACROSS, "together": lambda _: TOGETHER, "b": lambda _: beaten}
    for objective in OBJECTIVES:
        decision = choose(LOADED, planners, objective=objective)
        names = [c.planner for c in decision.pareto]
        assert decision.chosen.planner in names
        assert "b" not in names


def test_containers_get_the_cores_that_the_load_needs_up_to_what_is_stated() -> None:
    # 0.2 and 0.8 cores of work in containers of 0.9; the thread of s2 holds 2.5 times that.
    scarce = replace(TOGETHER, container_cpu_cores=np.full(2, 0.9), cpu_cores=np.full(4, 0.2))
    stated = replace(MEASURED, constraints=Constraints(container_count=2, container_cpu_cores=4.0))
    decision = choose(stated, {"scarce": lambda _: scarce}, objective="cost")
    assert decision.chosen.planner == "scarce+cpu"
    assert decision.plan.container_cpu_cores.tolist() == [1.0, 2.0]
    assert not decision.chosen.violations
    # Nothing is stated, so nothing may be larger; unless containers are ours to choose.
    assert choose(MEASURED, {"scarce": lambda _: scarce}).chosen.planner == "scarce"
    free = replace(MEASURED, containers_free=True)
    assert choose(free, {"scarce": lambda _: scarce}).chosen.planner == "scarce+cpu"


def test_containers_in_back_pressure_get_all_that_is_stated() -> None:
    tight = replace(TOGETHER, container_cpu_cores=np.full(2, 0.5), cpu_cores=np.full(4, 0.2))
    stated = replace(MEASURED, constraints=Constraints(container_count=2, container_cpu_cores=2.0))
    decision = choose(stated, {"tight": lambda _: tight}, objective="throughput")
    assert decision.chosen.planner == "tight+cpu"
    assert decision.plan.container_cpu_cores.tolist() == [2.0, 2.0]
    assert decision.chosen.sustained == pytest.approx(2.5)


def test_an_update_resizes_no_container() -> None:
    tight = replace(TOGETHER, container_cpu_cores=np.full(2, 0.5), cpu_cores=np.full(4, 0.2))
    of = replace(MEASURED, constraints=Constraints(container_count=2, container_cpu_cores=2.0))
    grown = replace(of, current=tight, deltas={"b2": 1})
    decision = choose(grown, objective="throughput")
    assert not any(c.planner.endswith("+cpu") for c in decision.candidates)


def test_a_stated_spread_outweighs_all_else() -> None:
    of = topology({"s": 2, "b": 2}, [("s", "b")])
    request = Request(of, Constraints(container_count=2))
    apart = plan(of, {1: ["s", "s"], 2: ["b", "b"]})
    crossed = plan(of, {1: ["s", "b"], 2: ["s", "b"]})
    big = replace(crossed, container_cpu_cores=crossed.container_cpu_cores * 9)
    names = {"blocks": apart, "spread": big}
    assert prefers("cost", names, request) == "blocks"
    asked = replace(request, spread_components=True)
    assert prefers("cost", names, asked) == "spread"
    alone = choose(asked, {"blocks": lambda _: apart}, HeronPlan(apart))
    assert alone.chosen.planner == HERON
    assert any("all 2 instances of component 's' are in container 1" in r for r in alone.reasons)


def test_a_broken_preference_outweighs_the_objective() -> None:
    limited = replace(LOADED, constraints=Constraints(container_count=2, max_instances=2))
    crowded = plan(PAIRS, {1: ["s1", "b1", "s2"], 2: ["b2"]})
    assert prefers("traffic", {"crowded": crowded, "across": ACROSS}, limited) == "across"
    decision = choose(limited, {"crowded": lambda _: crowded, "across": lambda _: ACROSS})
    assert any("crowded ranks lower because container 1 holds 3" in r for r in decision.reasons)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_of_equal_plans_the_one_that_restarts_less(objective: str) -> None:
    of = chain(2, 2)
    before = plan(of, {1: ["spout", "spout"], 2: ["b1", "b1"]})
    request = Request(of, Constraints(), current=before, deltas={"b1": 1})
    keeps = plan(chain(2, 3), {1: ["spout", "spout"], 2: ["b1", "b1", "b1"]})
    moves = plan(chain(2, 3), {1: ["b1", "b1", "b1"], 2: ["spout", "spout"]})
    assert prefers(objective, {"moves": moves, "keeps": keeps}, request) == "keeps"


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_less_traffic_is_not_worth_a_restart(objective: str) -> None:
    of = chain(2, 2)
    before = plan(of, {1: ["spout", "spout"], 2: ["b1", "b1"]})
    request = Request(of, Constraints(), current=before, deltas={"b1": 1})
    keeps = plan(chain(2, 3), {1: ["spout", "spout"], 2: ["b1", "b1", "b1"]})
    # Half of the traffic instead of all of it crosses, but 2 of 4 survivors restart.
    moves = plan(chain(2, 3), {1: ["spout", "b1"], 2: ["spout", "b1", "b1"]})
    assert prefers(objective, {"moves": moves, "keeps": keeps}, request) == "keeps"


@pytest.mark.parametrize(("cores", "better"), [(0.34, "keeps"), (0.5, "moves")])
def test_a_restart_is_worth_five_per_cent_more_load(cores: float, better: str) -> None:
    of = chain(2, 2)
    before = plan(of, {1: ["spout", "spout"], 2: ["b1", "b1"]})
    busy = Profile(rate_per_s={"spout": 100.0}, service_s={"spout": 0.0, "b1": 0.004})
    request = Request(of, Constraints(), current=before, deltas={"b1": 1}, profile=busy)

    def sized(contents: dict[int, list[str]], sizes: list[float]) -> Plan:
        made = plan(chain(2, 3), contents)
        return replace(
            made, container_cpu_cores=np.array(sizes), cpu_cores=np.full(made.instance_count, 0.05)
        )

    # 0.8 cores of work in a container of 0.5: 0.625 of the load.
    keeps = sized({1: ["spout", "spout"], 2: ["b1", "b1", "b1"]}, [0.5, 0.5])
    # Two thirds of it in a container of 0.34 or 0.5: 0.6375 or 0.9375 of the load.
    moves = sized({1: ["spout", "b1"], 2: ["spout", "b1", "b1"]}, [0.5, cores])
    decision = choose(request, {"keeps": lambda _: keeps, "moves": lambda _: moves})
    assert decision.chosen.planner == better
    # Whoever wants no restart is told what that would carry.
    (keeping,) = [c for c in decision.candidates if c.planner == "keeps"]
    told = [r for r in decision.reasons if r.startswith("keeps is the best that restarts none: ")]
    assert bool(told) == (better == "moves")
    assert all(f"carries {keeping.sustained:.2f} times the offered load" in r for r in told)


def test_more_than_enough_load_is_not_worth_a_restart() -> None:
    of = chain(2, 2)
    before = plan(of, {1: ["spout", "spout"], 2: ["b1", "b1"]})
    busy = Profile(rate_per_s={"spout": 100.0}, service_s={"spout": 0.0, "b1": 0.004})
    request = Request(of, Constraints(), current=before, deltas={"b1": 1}, profile=busy)
    # 0.8 cores of work: of the load 1.25 times in one container of a core, 1.875 times in two.
    keeps = plan(chain(2, 3), {1: ["spout", "spout"], 2: ["b1", "b1", "b1"]})
    moves = plan(chain(2, 3), {1: ["spout", "b1"], 2: ["spout", "b1", "b1"]})
    sizes = {"container_cpu_cores": np.ones(2), "cpu_cores": np.full(5, 0.05)}
    plans = {name: replace(p, **sizes) for name, p in (("keeps", keeps), ("moves", moves))}
    asked = {name: (lambda _, made=made: made) for name, made in plans.items()}
    decision = choose(request, asked, enough=Enough(headroom=0.2, probability=0.9))
    carried = {c.planner: c.sustained for c in decision.candidates}
    assert carried["moves"] > 1.4 * carried["keeps"] > 1.4 * 1.2
    assert decision.chosen.planner == "keeps"
    more = choose(request, asked, enough=Enough(headroom=0.5, probability=0.9))
    assert more.chosen.planner == "moves"


def test_equals_keep_the_order_of_asking() -> None:
    assert prefers("traffic", {"first": ACROSS, "second": ACROSS}, LOADED) == "first"


def raises(error: Exception) -> Callable[[Request], Plan]:
    def planner(_request: Request) -> Plan:
        raise error

    return planner


@pytest.mark.parametrize(
    ("planner", "told"),
    [
        (raises(Infeasible("does not fit")), "does not fit"),
        (raises(UnsupportedRequest("no updates")), "no updates"),
        (raises(ZeroDivisionError("by zero")), "the planner failed with ZeroDivisionError: by"),
        (raises(MemoryError()), "the planner failed with MemoryError"),
        (raises(RecursionError("deep")), "the planner failed with RecursionError: deep"),
        (raises(Infeasible()), "Infeasible"),
        (lambda _: None, "the planner returned NoneType, not a plan"),
        (lambda _: {"plan": 1}, "the planner returned dict, not a plan"),
        (lambda _: replace(ACROSS, components=("s2", "s1", "b1", "b2")), "lists components as"),
        (lambda _: replace(ACROSS, cpu_cores=np.array([1.0])), "the planner failed with"),
        (lambda _: replace(ACROSS, task_id=ACROSS.task_id + 1), "numbers its tasks 1 to 4"),
    ],
)
def test_whatever_a_planner_does_is_reported_and_survived(
    planner: Callable[[Request], Plan], told: str
) -> None:
    decision = choose(LOADED, {"odd": planner, "round_robin": round_robin})
    assert decision.chosen.planner == "round_robin"
    odd = decision.candidates[0]
    assert not odd.usable
    assert told in odd.failure
    assert any(reason.startswith("odd has no usable plan: ") for reason in decision.reasons)


def test_nobody_has_a_plan() -> None:
    with pytest.raises(Infeasible) as refused:
        choose(LOADED, {"one": raises(Infeasible("too full")), "two": raises(OSError("gone"))})
    message = str(refused.value)
    assert message.startswith("no plan satisfies the request: one: too full; two: the planner")


def test_what_is_wrong_with_the_request_is_told_once() -> None:
    wrong = raises(InvalidRequest("the streams form a cycle"))
    with pytest.raises(Infeasible) as refused:
        choose(LOADED, {"one": wrong, "two": wrong})
    assert str(refused.value) == "no plan satisfies the request: the streams form a cycle"
    full = raises(Infeasible("too full"))
    with pytest.raises(Infeasible, match="one, three: too full; two: the streams form a cycle"):
        choose(LOADED, {"one": full, "two": wrong, "three": full})


def test_heron_without_a_plan_is_a_candidate_that_says_so() -> None:
    decision = choose(LOADED, heron=HeronPlan(None, "it threw a NullPointerException"))
    assert decision.candidates[0].planner == HERON
    assert decision.candidates[0].failure == "it threw a NullPointerException"
    assert decision.chosen.planner.partition("/")[0] in BUILT_IN


def test_herons_plan_alone_is_enough() -> None:
    assert choose(LOADED, {}, HeronPlan(ACROSS)).plan is ACROSS


def test_an_unusable_heron_plan_sets_no_bar() -> None:
    broken = replace(ACROSS, topology_id="other")
    decision = choose(LOADED, {"round_robin": round_robin}, HeronPlan(broken))
    assert decision.chosen.planner == "round_robin"


@pytest.mark.parametrize(("deltas", "count"), [({}, None), ({"b1": 0}, None), ({}, 2)])
def test_an_update_that_changes_nothing_keeps_the_running_plan(
    deltas: dict[str, int], count: int | None
) -> None:
    before = plan(chain(2, 2), {3: ["spout", "b1", "spout"], 7: ["b1"]})
    request = Request(
        chain(2, 2), Constraints(), current=before, deltas=deltas, container_count=count
    )
    decision = choose(request, {"never asked": raises(AssertionError())})
    assert decision.plan is before
    assert decision.chosen.planner == CURRENT
    assert decision.chosen.disruption is not None
    assert decision.chosen.disruption.restarted_instances == 0


def test_an_unknown_objective_names_those_that_exist() -> None:
    with pytest.raises(InvalidRequest, match="'speed' does not exist; use throughput, latency"):
        choose(LOADED, objective="speed")


def test_containers_without_cores_can_be_compared() -> None:
    starved = replace(ACROSS, container_cpu_cores=np.zeros(2), cpu_cores=np.zeros(4))
    for objective in OBJECTIVES:
        decision = choose(LOADED, {"ours": lambda _: TOGETHER}, HeronPlan(starved), objective)
        if objective in {"throughput", "latency", "traffic"}:
            assert decision.chosen.planner == "ours"
        again = choose(LOADED, {"ours": lambda _: starved}, HeronPlan(starved), objective)
        assert again.chosen.planner == HERON


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scores_are_numbers_even_where_nothing_can_run(objective: str) -> None:
    starved = replace(ACROSS, container_cpu_cores=np.zeros(2), cpu_cores=np.zeros(4))
    stuck = predict(PAIRS, starved, LOADED.profile)
    assert pressure(stuck) == float("inf")
    for prediction in (stuck, predict(PAIRS, TOGETHER, LOADED.profile)):
        for against in (stuck, prediction):
            figures = score(objective, prediction, None, reference(against))
            assert not any(math.isnan(figure) for figure in figures)


def test_times_come_from_the_clock_that_is_given() -> None:
    ticks = iter(range(100))
    decision = choose(LOADED, {"a": round_robin, "b": round_robin}, clock=lambda: next(ticks))
    assert [c.took_s for c in decision.candidates] == [1, 1]
