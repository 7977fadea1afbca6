"""The places in Heron that call a packing class, with the plugin and a bridge."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bridge.wire import heron_pb2
from bridge.wire import packing_bridge_pb2 as pb
from integration.callsites import CONFIDENTIAL_SETTING, CallSites, Outcome
from integration.conftest import TOPOLOGIES
from integration.plans import canonical, containers, defects, moved, parallelism, placement
from integration.stand_ins import Exchange, recording

# In the fields of a bolt.
CONFIDENTIAL_FIELD = b"integration-confidential-field"
HEALTH_MANAGER_ROUNDS = 20

Plan = heron_pb2.PackingPlan


@pytest.fixture(params=sorted(TOPOLOGIES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def definition(definitions: Mapping[str, bytes], name: str) -> bytes:
    return definitions[name]


Deployed = tuple[Outcome, list[Exchange]]


@pytest.fixture(scope="module")
def submits() -> dict[tuple[str, str], Deployed]:
    """What has been submitted so far: a submit takes seconds and several tests look at each."""
    return {}


@pytest.fixture
def deployed(
    submits: dict[tuple[str, str], Deployed],
    heron: CallSites,
    name: str,
    definition: bytes,
    bridge: str,
) -> Deployed:
    """The topology, submitted, and what was said while it was."""
    key = (heron.flavour.name, name)
    if key not in submits:
        with recording(heron.sockets / "recorded.sock", bridge) as exchanges:
            submits[key] = (heron.submit(definition), list(exchanges))
    return submits[key]


def _ended_well(outcome: Outcome) -> None:
    assert outcome.finished.exit_code == 0, outcome.finished.last_words
    assert outcome.finished.stdout == ""


def test_submit_deploys_what_the_bridge_decided(deployed: Deployed, definition: bytes) -> None:
    outcome, exchanges = deployed
    _ended_well(outcome)
    topology = heron_pb2.Topology.FromString(definition)

    first, second = (call.plan for call in outcome.calls)
    assert first is not None
    assert second is not None
    assert [exchange.method for exchange in exchanges] == ["Pack", "Pack"]
    for plan, exchange in zip((first, second), exchanges, strict=True):
        assert defects(plan, parallelism(topology), fresh=True) == []
        assert plan.id == topology.id
        assert canonical(plan) == canonical(Plan.FromString(exchange.answer.plan))
        assert f"planner {exchange.answer.report.chosen}" in outcome.finished.stderr
    # Two objects that know nothing of one another, and Heron deploys the second answer.
    assert canonical(first) == canonical(second)
    assert len(first.container_plans) == containers(topology)


def test_the_request_says_who_asks_and_brings_the_fallback_plan(
    deployed: Deployed, heron: CallSites
) -> None:
    _, exchanges = deployed
    for exchange in exchanges:
        caller = exchange.context.caller
        assert caller.heron_flavour == heron.flavour.name
        assert (caller.cluster, caller.role, caller.environ) == ("local", "tester", "default")
        assert caller.scheduler_class == f"{heron.flavour.name}.scheduler.local.LocalScheduler"
        fallback = Plan.FromString(exchange.context.fallback.plan)
        topology = heron_pb2.Topology.FromString(exchange.context.topology)
        assert exchange.context.fallback.failure == ""
        assert defects(fallback, parallelism(topology), fresh=True) == []


def test_nothing_confidential_travels(deployed: Deployed, definition: bytes) -> None:
    _, exchanges = deployed
    original = heron_pb2.Topology.FromString(definition)
    for exchange in exchanges:
        assert CONFIDENTIAL_FIELD not in exchange.request
        assert CONFIDENTIAL_SETTING.encode() not in exchange.request
        # Java's mark of a serialised object.
        assert b"\xac\xed\x00\x05" not in exchange.request
        # What planning needs is all there: nothing that the contract declares was lost.
        original.DiscardUnknownFields()
        sent = heron_pb2.Topology.FromString(exchange.context.topology)
        assert _components(sent) == _components(original)


def _components(topology: heron_pb2.Topology) -> object:
    return [spout.SerializeToString(deterministic=True) for spout in topology.spouts] + [
        bolt.SerializeToString(deterministic=True) for bolt in topology.bolts
    ]


def test_an_update_keeps_the_survivors_where_they_are(
    deployed: Deployed, heron: CallSites, definition: bytes, recorded: list[Exchange]
) -> None:
    before = deployed[0].plan
    sizes = parallelism(heron_pb2.Topology.FromString(definition))
    grown, shrunk = sorted(sizes, key=lambda component: (sizes[component], component))[-2:]
    changes = {grown: 2, shrunk: -1}

    outcome = heron.update(definition, before, changes)

    _ended_well(outcome)
    wanted = {component: size + changes.get(component, 0) for component, size in sizes.items()}
    assert defects(outcome.plan, wanted, fresh=False) == []
    assert moved(before, outcome.plan) == 0
    old, new = placement(before), placement(outcome.plan)
    assert len(old.keys() - new.keys()) == 1
    assert len(new.keys() - old.keys()) == 2
    _decided_by_the_bridge(outcome, recorded)


def test_an_update_of_the_number_of_containers(
    deployed: Deployed, heron: CallSites, definition: bytes, recorded: list[Exchange]
) -> None:
    before = deployed[0].plan
    sizes = parallelism(heron_pb2.Topology.FromString(definition))
    count = len(before.container_plans) + 1

    outcome = heron.update(definition, before, {}, containers=count)

    _ended_well(outcome)
    assert defects(outcome.plan, sizes, fresh=False) == []
    assert len(outcome.plan.container_plans) == count
    report = _decided_by_the_bridge(outcome, recorded)
    (chosen,) = (c for c in report.candidates if c.planner == report.chosen)
    # A new container cannot stay empty, so some instance moves; it is known how many.
    assert moved(before, outcome.plan) == chosen.disruption.moved_instances
    # The instances themselves are the same ones.
    old, new = placement(before), placement(outcome.plan)
    assert {key: task for key, (_, task) in old.items()} == {
        key: task for key, (_, task) in new.items()
    }


def test_a_long_lived_health_manager_gets_plans_and_keeps_no_threads(
    heron: CallSites,
    definitions: Mapping[str, bytes],
    recorded: list[Exchange],
) -> None:
    definition = definitions["WordCount"]
    before = heron.with_settings(mode="off").submit(definition).plan
    sizes = parallelism(heron_pb2.Topology.FromString(definition))

    outcome = heron.resolve(definition, before, {"count": 1}, HEALTH_MANAGER_ROUNDS)

    _ended_well(outcome)
    assert len(outcome.calls) == len(recorded) == HEALTH_MANAGER_ROUNDS
    for call in outcome.calls:
        assert call.plan is not None
        assert defects(call.plan, {**sizes, "count": sizes["count"] + 1}, fresh=False) == []
        assert moved(before, call.plan) == 0
    # Threads may still be ending when they are counted, but one kept per call would add up.
    assert outcome.threads[-1] < outcome.threads[0] + HEALTH_MANAGER_ROUNDS / 2


@pytest.mark.parametrize("flavour", ["org.apache.heron"], indirect=True)
def test_over_loopback(
    heron: CallSites, definitions: Mapping[str, bytes], loopback_bridge: int
) -> None:
    address = f"localhost:{loopback_bridge}"
    outcome = (
        heron.on_host_network().with_settings(address=address).submit(definitions["WordCount"])
    )

    _ended_well(outcome)
    assert "(fallback)" not in outcome.finished.stderr


def _decided_by_the_bridge(outcome: Outcome, recorded: list[Exchange]) -> pb.Report:
    (exchange,) = recorded
    assert exchange.method == "Repack"
    assert canonical(outcome.plan) == canonical(Plan.FromString(exchange.answer.plan))
    return exchange.answer.report
