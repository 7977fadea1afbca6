from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from bridge.planners import installed_planners
from packing.conformance import BUILT_IN_TRAITS, CASES, Case, Trait, complaints
from packing.errors import Infeasible, UnsupportedRequest
from packing.plan import Plan
from packing.planners import BUILT_IN
from packing.planners.round_robin import round_robin
from packing.planners.stream_affinity import stream_affinity
from packing.request import Request

CASE = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("name", list(installed_planners()))
def test_every_installed_planner_conforms(name: str, case: Case) -> None:
    planner = installed_planners()[name]
    assert complaints(planner, case, BUILT_IN_TRAITS.get(name, frozenset())) == []


def test_cases_have_names_of_their_own_and_planners_declared_traits() -> None:
    assert len(CASE) == len(CASES)
    assert set(BUILT_IN_TRAITS) == set(BUILT_IN)


def packs_only(request: Request) -> Plan:
    if request.current is None or request.changes_nothing:
        return stream_affinity(request)
    raise UnsupportedRequest("updates are left to others")


@pytest.mark.parametrize("trait", Trait)
def test_every_trait_is_needed_to_tell_planners_apart(trait: Trait) -> None:
    """For each trait some planner that does not declare it fails when it is held to it."""
    declared = {**BUILT_IN_TRAITS, "packs_only": frozenset(Trait) - {Trait.ANSWERS_UPDATES}}
    planners = {**BUILT_IN, "packs_only": packs_only}
    caught = [
        name
        for name, traits in declared.items()
        if trait not in traits
        and any(complaints(planners[name], case, {*traits, trait}) for case in CASES)
    ]
    assert caught
    assert not any(complaints(packs_only, case, declared["packs_only"]) for case in CASES)


Spoil = Callable[[Plan], Plan]


def spoiled(spoil: Spoil) -> Callable[[Request], Plan]:
    return lambda request: spoil(round_robin(request))


def without_last_instance(plan: Plan) -> Plan:
    columns = ("component", "task_id", "index", "container", "cpu_cores", "ram_bytes", "disk_bytes")
    return replace(plan, **{name: getattr(plan, name)[:-1] for name in columns})


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (without_last_instance, "parallelism: component 'count' has 3 instances, 4 were asked"),
        (lambda p: replace(p, task_id=p.task_id + 1), "task ids: a fresh plan numbers its tasks"),
        (lambda p: replace(p, index=p.index * 0), "component indexes: component 'spout' has index"),
        (lambda p: replace(p, container_ids=p.container_ids - 1), "container ids: container id 0"),
        (lambda p: replace(p, topology_id="other"), "topology: the plan is of topology 'other'"),
        (
            lambda p: replace(p, container_ram_bytes=p.container_ram_bytes // 4),
            "container holds its instances: container 1 has",
        ),
    ],
)
def test_a_spoiled_plan_is_complained_about(spoil: Spoil, complaint: str) -> None:
    found = complaints(spoiled(spoil), CASE["pack: a container count"])
    assert any(text.startswith(complaint) for text in found), found


def test_a_planner_that_changes_its_mind_is_complained_about() -> None:
    turn = itertools.count()

    def fickle(request: Request) -> Plan:
        planners = list(BUILT_IN.values())
        return planners[next(turn) % len(planners)](request)

    found = complaints(fickle, CASE["pack: sizes and load stated"])
    assert "the same request gave another plan when it was asked again" in found


def test_a_planner_that_alters_the_request_is_complained_about() -> None:
    def careless(request: Request) -> Plan:
        plan = stream_affinity(request)
        assert request.current is not None
        request.current.ram_bytes[:] = 1
        request.current.__dict__.pop("_identity", None)
        return plan

    found = complaints(careless, CASE["update: growth of an even plan on local"])
    assert "it altered the request" in found


def test_a_planner_that_refuses_everything_is_complained_about() -> None:
    def refuse(_request: Request) -> Plan:
        raise Infeasible("there is no plan at all")

    found = {case.name: complaints(refuse, case) for case in CASES}
    refused = [name for name, complained in found.items() if complained]
    assert len(refused) > len(CASES) * 0.9
    assert not [name for name in refused if name.startswith("refused:")]


def test_a_planner_that_answers_what_nobody_can_is_complained_about() -> None:
    case = CASE["refused: growth where nomad's containers are full to their stated size"]

    def larger_containers(request: Request) -> Plan:
        free = replace(request, constraints=replace(request.constraints, container_ram_bytes=None))
        return stream_affinity(free)

    # Its plan breaks a rule, and the suite says so only where the plan would pass for valid.
    assert complaints(larger_containers, case) == []
    lenient = replace(case, make=lambda: replace(case.make(), constraints=larger(case.make())))
    assert complaints(stream_affinity, lenient) == [
        "it returned a plan that passes for valid where none exists"
    ]


def larger(request: Request):  # type: ignore[no-untyped-def]
    return replace(request.constraints, container_ram_bytes=None)


def test_a_planner_that_moves_survivors_breaks_its_promise() -> None:
    case = CASE["update: growth of an even plan on local"]
    assert complaints(round_robin, case, {Trait.MEETS_CONTAINER_COUNT}) == []
    found = complaints(round_robin, case, {Trait.KEEPS_PLACEMENTS})
    assert any("surviving instances change container or task" in text for text in found)


def test_cases_build_requests_anew() -> None:
    for case in CASES:
        if case.name.startswith("update"):
            one, other = case.make(), case.make()
            assert one.current is not None
            assert one.current is not other.current
            assert np.array_equal(one.current.task_id, other.current.task_id)  # type: ignore[union-attr]
