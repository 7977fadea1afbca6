"""Heron gets a plan in time, whatever the bridge does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.wire import heron_pb2
from integration.callsites import FALLBACK_CLASS, SOCKETS, CallSites, Outcome
from integration.plans import canonical, containers, parallelism
from integration.stand_ins import Exchange, babbling, hanging, nonsense, slow, wrong

TIMEOUT_S = 2.0
GRACE_S = 2.0
GROWTH = {"count": 2}
CONTAINERS_ASKED = (0, 4)
FALLBACK_NAME = FALLBACK_CLASS.rpartition(".")[2]

Failure = Callable[[Path, str], AbstractContextManager[object]]

FAILURES: dict[str, Failure] = {
    "stopped": lambda *_: nullcontext(),
    "hanging": lambda file, _: hanging(file),
    "garbage": lambda file, _: babbling(file),
    "garbage in a frame": lambda file, _: nonsense(file),
    "an invalid plan": wrong,
    "too slow": lambda file, bridge: slow(file, bridge, TIMEOUT_S + 1.5),
}


@pytest.fixture
def definition(definitions: Mapping[str, bytes]) -> bytes:
    return definitions["WordCount"]


@dataclass(frozen=True)
class OwnPlans:
    """What Heron decides without the bridge; an update starts from the plan of the submit."""

    submit: heron_pb2.PackingPlan
    updates: Mapping[int, heron_pb2.PackingPlan]
    """By the number of containers asked for, 0 for none."""


# Each command takes seconds, and many tests compare with the same few.
@pytest.fixture(scope="module")
def own_plans() -> dict[str, OwnPlans]:
    return {}


@pytest.fixture
def own(own_plans: dict[str, OwnPlans], heron: CallSites, definition: bytes) -> OwnPlans:
    name = heron.flavour.name
    if name not in own_plans:
        off = heron.with_settings(mode="off")
        submit = off.submit(definition).plan
        updates = {
            count: off.update(definition, submit, GROWTH, count).plan for count in CONTAINERS_ASKED
        }
        own_plans[name] = OwnPlans(submit, updates)
    return own_plans[name]


@pytest.fixture(params=sorted(FAILURES))
def failing(
    request: pytest.FixtureRequest, heron: CallSites, sockets: Path, bridge: str
) -> Iterator[CallSites]:
    """Heron with the plugin, whose bridge fails while the test runs."""
    file = sockets / "failing.sock"
    with FAILURES[request.param](file, bridge):
        yield heron.with_settings(
            address=f"unix://{SOCKETS}/{file.name}", timeout_ms=int(TIMEOUT_S * 1000)
        )


def _got_the_fallback(outcome: Outcome) -> None:
    assert outcome.finished.exit_code == 0, outcome.finished.last_words
    assert outcome.finished.stdout == ""
    for call in outcome.calls:
        assert call.thrown == ""
        assert call.took_s <= TIMEOUT_S + GRACE_S
    # The line says which class made the plan, and why it had to.
    assert f"planner {FALLBACK_NAME} (fallback)" in outcome.finished.stderr
    assert "because the bridge" in outcome.finished.stderr


def test_submit(failing: CallSites, own: OwnPlans, definition: bytes) -> None:
    outcome = failing.submit(definition)

    _got_the_fallback(outcome)
    assert len(outcome.calls) == 2
    assert canonical(outcome.plan) == canonical(own.submit)


@pytest.mark.parametrize("count", CONTAINERS_ASKED)
@pytest.mark.parametrize("flavour", ["org.apache.heron"], indirect=True)
def test_update(failing: CallSites, own: OwnPlans, definition: bytes, count: int) -> None:
    outcome = failing.update(definition, own.submit, GROWTH, count)

    _got_the_fallback(outcome)
    assert canonical(outcome.plan) == canonical(own.updates[count])


def test_in_shadow_mode_the_plan_of_heron_is_used_and_ours_logged(
    heron: CallSites, own: OwnPlans, definition: bytes, recorded: list[Exchange]
) -> None:
    outcome = heron.with_settings(mode="shadow").submit(definition)

    assert outcome.finished.exit_code == 0, outcome.finished.last_words
    assert outcome.finished.stdout == ""
    assert canonical(outcome.plan) == canonical(own.submit)
    assert len(recorded) == 2
    for exchange in recorded:
        assert f"planner {exchange.answer.report.chosen}" in outcome.finished.stderr
    assert "(shadow)" in outcome.finished.stderr


def test_without_bridge_and_without_fallback_the_command_fails_with_a_packing_exception(
    heron: CallSites, definition: bytes
) -> None:
    lonely = heron.with_settings(
        address=f"unix://{SOCKETS}/nobody.sock", timeout_ms=1000, fallback_packing="none"
    )

    outcome = lonely.submit(definition)

    assert outcome.finished.exit_code == 1
    assert outcome.finished.stdout == ""
    assert outcome.calls[0].thrown.startswith("PackingException: ")


def test_off_asks_nobody(heron: CallSites, definition: bytes, recorded: list[Exchange]) -> None:
    outcome = heron.with_settings(mode="off").submit(definition)

    topology = heron_pb2.Topology.FromString(definition)
    assert outcome.finished.exit_code == 0, outcome.finished.last_words
    assert len(outcome.plan.container_plans) == containers(topology)
    assert sum(parallelism(topology).values()) == sum(
        len(c.instance_plans) for c in outcome.plan.container_plans
    )
    assert recorded == []
