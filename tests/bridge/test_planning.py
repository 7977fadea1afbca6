"""Bytes in, bytes out: what a worker does with a request."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import deadline, planning
from bridge.contract import CONTRACT_REVISION, IncompatibleContract, NotOffered, check_revision
from bridge.conversion import plan_from_bytes, plan_to_bytes, topology_from_bytes
from bridge.planning import answer, configure
from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest, PackingError
from packing.request import Request
from packing.resources import GIB
from packing.validation import violations
from tests.bridge.messages import (
    current_plan,
    edited,
    pack_message,
    repack_message,
    topology_message,
)
from tests.packing.build import plan

TOPOLOGY = topology_from_bytes(topology_message().SerializeToString()).topology
CURRENT = current_plan(TOPOLOGY)


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    configure()
    yield
    configure()


def pack(message: wire.PackRequest) -> wire.PlanResponse:
    return wire.PlanResponse.FromString(answer("Pack", message.SerializeToString()))


def repack(message: wire.RepackRequest) -> wire.PlanResponse:
    return wire.PlanResponse.FromString(answer("Repack", message.SerializeToString()))


def test_a_pack_has_a_valid_plan_and_a_full_report() -> None:
    response = pack(pack_message())
    made = plan_from_bytes(response.plan, TOPOLOGY, "the plan")
    assert violations(made, Request(TOPOLOGY, Constraints(container_count=2))) == []
    report = response.report
    assert report.contract_revision == CONTRACT_REVISION
    assert report.bridge_version
    assert report.objective == "balanced"
    assert report.took_ms > 0
    assert report.current_plan_sha256 == b""
    planners = [c.planner for c in report.candidates]
    assert report.chosen in planners
    assert len(set(planners)) == len(planners) >= 4
    (chosen,) = [c for c in report.candidates if c.planner == report.chosen]
    assert chosen.prediction.containers == made.container_count == 2
    assert chosen.prediction.cores == pytest.approx(float(made.container_cpu_cores.sum()))
    assert not chosen.HasField("disruption")
    assert report.reasons
    assert {b.source for b in report.basis} == {wire.ASSUMED}


def test_a_repack_says_for_which_plan_and_what_it_disturbs() -> None:
    message = repack_message(CURRENT, {"split": 1, "count": -1})
    report = repack(message).report
    assert report.current_plan_sha256 == message.current_plan_sha256
    (chosen,) = [c for c in report.candidates if c.planner == report.chosen]
    assert (chosen.disruption.started_instances, chosen.disruption.stopped_instances) == (1, 1)


def test_a_repack_without_change_returns_the_running_plan() -> None:
    message = repack_message(CURRENT, {})
    response = repack(message)
    assert response.plan == message.current_plan == plan_to_bytes(CURRENT)
    assert response.report.chosen == "current"


def test_the_same_request_gives_the_same_plan() -> None:
    for message in (pack_message(), repack_message(CURRENT)):
        ask = pack if isinstance(message, wire.PackRequest) else repack
        first, second = ask(message), ask(message)  # type: ignore[operator]
        assert first.plan == second.plan
        assert first.report.reasons == second.report.reasons


def test_herons_plan_comes_first_among_the_candidates() -> None:
    message = pack_message()
    message.context.fallback.plan = plan_to_bytes(CURRENT)
    message.context.fallback.packing_class = "RoundRobinPacking"
    message.context.fallback.took_ms = 12
    report = pack(message).report
    assert report.candidates[0].planner == "heron"
    assert report.candidates[0].took_ms == 12
    message.context.fallback.plan = b""
    message.context.fallback.failure = "it threw"
    report = pack(message).report
    assert (report.candidates[0].planner, report.candidates[0].failure) == ("heron", "it threw")


def test_the_request_wins_over_the_configured_objective() -> None:
    configure(objective="traffic")
    assert pack(pack_message()).report.objective == "traffic"
    message = pack_message()
    message.context.options.objective = "cost"
    assert pack(message).report.objective == "cost"


def test_containers_may_be_left_free() -> None:
    message = pack_message()
    message.context.options.containers = "free"
    planners = {c.planner for c in pack(message).report.candidates}
    assert any("@" in name for name in planners), "plans with other numbers of containers"


def test_the_report_says_what_was_asked_and_how_near_the_best_it_is() -> None:
    message = pack_message()
    report = pack(message).report
    assert (report.headroom, report.probability) == (0.2, 0.9)
    assert report.chosen in report.pareto
    assert set(report.pareto) <= {c.planner for c in report.candidates}
    (chosen,) = [c for c in report.candidates if c.planner == report.chosen]
    assert report.bounds.containers.how
    assert report.bounds.containers.value + report.gaps.containers == chosen.prediction.containers
    crossing = chosen.prediction.cross_tuples_per_s
    assert report.bounds.cross_tuples_per_s.value <= crossing * (1 + 1e-9)
    # Nothing is known of the load.
    assert not report.bounds.HasField("sustainable_load_factor")
    assert not report.gaps.HasField("sustainable_load")
    assert not chosen.HasField("assured_load_factor")


def test_requests_and_settings_say_how_much_load_is_enough() -> None:
    configure(headroom=0.5, probability=0.6, effort="quick")
    report = pack(pack_message()).report
    assert (report.headroom, report.probability) == (0.5, 0.6)
    message = pack_message()
    message.context.options.headroom = 0.0
    message.context.options.effort = "thorough"
    report = pack(message).report
    assert (report.headroom, report.probability) == (0.0, 0.6)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("headroom", -1.0, "the headroom is -1; it must be from 0"),
        ("headroom", float("nan"), "the headroom is nan"),
        ("probability", 0.0, "the probability of carrying the load is 0; it must be above 0"),
        ("effort", "hasty", "effort 'hasty' does not exist; use quick, default, thorough"),
    ],
)
def test_options_that_cannot_be_meant(option: str, value: object, told: str) -> None:
    message = pack_message()
    setattr(message.context.options, option, value)
    with pytest.raises(InvalidRequest, match=told):
        pack(message)


def test_components_can_be_kept_in_two_containers() -> None:
    def alone(response: wire.PlanResponse) -> bool:
        counts = plan_from_bytes(response.plan, TOPOLOGY, "the plan").counts
        return any((row > 0).sum() == 1 for row in counts if row.sum() > 1)

    message = pack_message()
    message.context.options.objective = "traffic"
    message.context.options.spread_components = True
    assert not alone(pack(message))
    configure(spread_components=True)
    message.context.options.ClearField("spread_components")
    assert not alone(pack(message))


def test_a_deadline_that_is_nearly_over_ends_the_search() -> None:
    message = pack_message()
    deadline.begin(0.0)
    try:
        hurried = pack(message)
    finally:
        deadline.begin(math.inf)
    late = [c.planner for c in hurried.report.candidates if c.failure.startswith("not asked")]
    assert "search" in late
    calm = pack(message)
    assert not [c for c in calm.report.candidates if c.failure.startswith("not asked")]


# --- the offered load ----------------------------------------------------------------------------


def traffic(response: wire.PlanResponse) -> float:
    (chosen,) = [c for c in response.report.candidates if c.planner == response.report.chosen]
    return chosen.prediction.traffic_tuples_per_s


def test_the_target_rate_is_what_all_spouts_emit_together() -> None:
    # One tuple on each of two streams per tuple of the spouts.
    message = pack_message()
    message.context.options.target_rate_per_s = 700.0
    assert traffic(pack(message)) == pytest.approx(1400.0)


@pytest.mark.parametrize("delta", [-1, 1, 4])
def test_the_target_rate_stays_when_spouts_are_added(delta: int) -> None:
    message = repack_message(CURRENT, {"words": delta})
    message.context.options.target_rate_per_s = 700.0
    assert traffic(repack(message)) == pytest.approx(1400.0)


PROFILE = {
    "name": "words",
    "components": [
        {"name": "words", "kind": "spout", "parallelism": 1, "rate": 50.0, "service_ms": 1.0},
        {"name": "split", "kind": "bolt", "parallelism": 1, "service_ms": 1.0},
        {"name": "count", "kind": "bolt", "parallelism": 1, "service_ms": 1.0},
    ],
    "streams": [
        {"from": "words", "to": "split", "grouping": "shuffle", "selectivity": 2.0},
        {"from": "split", "to": "count", "grouping": "shuffle", "selectivity": 3.0},
    ],
}


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    (tmp_path / "mine.json").write_text(json.dumps(PROFILE))
    (tmp_path.parent / "outside.json").write_text(json.dumps(PROFILE))
    configure(profiles_dir=str(tmp_path))
    return tmp_path


def test_a_named_profile_is_used(profiles: Path) -> None:
    message = pack_message()
    message.context.options.profile = "mine"
    response = pack(message)
    # 2 spouts x 50/s = 100/s, 200/s to split, 600/s to count.
    assert traffic(response) == pytest.approx(800.0)
    basis = {b.quantity: b.source for b in response.report.basis}
    assert basis["rates"] == wire.DECLARED


def test_where_the_load_is_known_the_report_says_what_is_assured(profiles: Path) -> None:
    message = pack_message()
    message.context.options.profile = "mine"
    report = pack(message).report
    (chosen,) = [c for c in report.candidates if c.planner == report.chosen]
    load = chosen.prediction.sustainable_load_factor
    assert chosen.assured_load_factor < load
    assert report.bounds.sustainable_load_factor.value == pytest.approx(
        load * (1 + report.gaps.sustainable_load)
    )
    message.context.options.probability = 0.5
    (again,) = [c for c in pack(message).report.candidates if c.planner == report.chosen]
    assert again.assured_load_factor > chosen.assured_load_factor


def test_a_profile_called_like_the_topology_is_found(profiles: Path) -> None:
    assert traffic(pack(pack_message())) == pytest.approx(4.0)
    (profiles / "mine.json").rename(profiles / "words.json")
    assert traffic(pack(pack_message())) == pytest.approx(800.0)


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "a/b", "..", ".", "mine/", "x" * 300, "nul\0l", "none", "~"],
)
def test_profiles_that_are_not_there(profiles: Path, name: str) -> None:
    message = pack_message()
    message.context.options.profile = name
    with pytest.raises(InvalidRequest) as refused:
        pack(message)
    assert repr(name) in str(refused.value)


def test_a_profile_without_a_folder() -> None:
    message = pack_message()
    message.context.options.profile = "mine"
    with pytest.raises(InvalidRequest, match="'mine' was asked for, but there is none: no folder"):
        pack(message)


@pytest.mark.parametrize("name", ["a/b", "../outside", "x" * 300, "."])
def test_a_topology_with_an_odd_name_needs_no_profile(profiles: Path, name: str) -> None:
    message = topology_message()
    message.name = name
    assert pack(pack_message(message)).plan


def test_a_profile_of_something_else(profiles: Path) -> None:
    other = {**PROFILE, "components": [{**PROFILE["components"][0], "name": "x"}], "streams": []}  # type: ignore[dict-item]
    (profiles / "other.json").write_text(json.dumps(other))
    message = pack_message()
    message.context.options.profile = "other"
    with pytest.raises(InvalidRequest, match="speaks of component 'x', which topology 'words'"):
        pack(message)


# --- what is refused -----------------------------------------------------------------------------

Edit = Callable[[wire.RepackRequest], object]


def topology(edit: Callable[[heron.Topology], object]) -> Edit:
    def change(message: wire.RepackRequest) -> None:
        inner = topology_message()
        edit(inner)
        message.context.topology = inner.SerializeToString()

    return change


def config(key: str, value: str) -> Edit:
    return topology(lambda t: t.topology_config.kvs.add(key=key, value=value))


def current(edit: Callable[[heron.PackingPlan], object]) -> Edit:
    def change(message: wire.RepackRequest) -> None:
        message.current_plan = edited(CURRENT, edit)
        message.current_plan_sha256 = b""

    return change


def first_instance(name: str, value: object) -> Edit:
    return current(lambda m: setattr(m.container_plans[0].instance_plans[0], name, value))


def set_option(name: str, value: object) -> Edit:
    return lambda m: setattr(m.context.options, name, value)


def loop(message: heron.Topology) -> None:
    back = message.bolts[0].inputs.add(gtype=heron.SHUFFLE)
    back.stream.id, back.stream.component_name = "default", "count"
    message.bolts[1].outputs.add().stream.CopyFrom(
        heron.StreamId(id="default", component_name="count")
    )


def remove_all_count(message: heron.PackingPlan) -> None:
    for container in message.container_plans:
        kept = [i for i in container.instance_plans if i.component_name != "count"]
        del container.instance_plans[:]
        container.instance_plans.extend(kept)


REFUSED: dict[str, tuple[Edit, str]] = {
    "no topology": (lambda m: m.context.ClearField("topology"), "the request has no topology"),
    "a truncated topology": (
        lambda m: setattr(m.context, "topology", m.context.topology[:-9]),
        "the topology cannot be parsed",
    ),
    "a cycle": (topology(loop), "the streams form a cycle, "),
    "an unknown grouping": (
        topology(lambda t: setattr(t.bolts[0].inputs[0], "gtype", 77)),
        "has grouping 77, which Heron does not define",
    ),
    "a component that asks for more than a container holds": (
        topology(
            lambda t: [
                t.topology_config.kvs.add(key="topology.container.ram", value=str(2 * GIB)),
                t.topology_config.kvs.add(
                    key="topology.component.rammap", value=f"split:{4 * GIB}"
                ),
            ]
        ),
        "an instance of component 'split' asks for 4096 MiB RAM of the 2048 MiB",
    ),
    "a RAM map of a component that is not there": (
        config("topology.component.rammap", "nobody:5000000000"),
        "topology.component.rammap names component 'nobody'",
    ),
    "a system default that is no number": (
        lambda m: m.context.config.update({"heron.resources.instance.cpu": "lots"}),
        "heron.resources.instance.cpu is 'lots'",
    ),
    "more removed than there are": (
        lambda m: m.component_deltas.update({"split": -3}),
        "the change of component 'split' by -3 would leave 0 of its 3 instances",
    ),
    "a change of a component that is not there": (
        lambda m: m.component_deltas.update({"nobody": 1}),
        "a change names component 'nobody'",
    ),
    "growth without measure": (
        lambda m: m.component_deltas.update({"split": 2**31 - 1}),
        "2147483654 instances were asked for",
    ),
    "too many containers": (
        lambda m: setattr(m, "container_count", 2**32 - 1),
        "4294967295 containers were asked for; it must be between 1 and the number of instances, 8",
    ),
    "another SHA-256": (
        lambda m: setattr(m, "current_plan_sha256", b"\x01" * 32),
        "the request states 0101010101",
    ),
    "no current plan": (
        lambda m: (m.ClearField("current_plan"), m.ClearField("current_plan_sha256")),
        "the current plan is missing",
    ),
    "a plan of another topology": (
        current(lambda m: setattr(m, "id", "other-7")),
        "the current plan is of topology 'other-7', the request is for 'words-1234'",
    ),
    "a strange component": (
        first_instance("component_name", "nobody"),
        "the current plan has an instance of component 'nobody'",
    ),
    "a missing component": (
        current(remove_all_count),
        "the current plan has no instance of component 'count'",
    ),
    "a task id twice": (first_instance("task_id", 2), "task id 2 appears twice"),
    "a task id of 0": (first_instance("task_id", 0), "the current plan has task id 0"),
    "the last task id of all": (
        first_instance("task_id", 2**31 - 1),
        "the current plan has task id 2147483647",
    ),
    "an index twice": (
        first_instance("component_index", 1),
        "appears twice in the current plan",
    ),
    "container 0": (
        current(lambda m: setattr(m.container_plans[0], "id", 0)),
        "the current plan has container id 0",
    ),
    "container -1": (
        current(lambda m: setattr(m.container_plans[0], "id", -1)),
        "the current plan has container id -1",
    ),
    "the last container of all": (
        current(lambda m: setattr(m.container_plans[1], "id", 2**31 - 1)),
        "the current plan has container id 2147483647",
    ),
    "a container twice": (
        current(lambda m: setattr(m.container_plans[1], "id", 1)),
        "the current plan cannot be: container id 1 appears twice",
    ),
    "negative RAM of an instance": (
        current(lambda m: setattr(m.container_plans[0].instance_plans[0].resource, "ram", -1)),
        "has -1 bytes of RAM",
    ),
    "CPU that is no number": (
        current(
            lambda m: setattr(m.container_plans[0].instance_plans[0].resource, "cpu", float("nan"))
        ),
        "an instance whose CPU is not a finite number",
    ),
    "CPU without end": (
        current(lambda m: setattr(m.container_plans[0].requiredResource, "cpu", float("inf"))),
        "container 1 of the current plan has inf cores",
    ),
    "disk beyond sums": (
        current(lambda m: setattr(m.container_plans[0].requiredResource, "disk", 2**63 - 1)),
        "container 1 has 9223372036854775807 bytes of disk",
    ),
    "an unknown objective": (
        set_option("objective", "speed"),
        "objective 'speed' does not exist; use throughput",
    ),
    "an unknown word for containers": (
        set_option("containers", "some"),
        "heron.packing.bridge.containers is 'some'; use fixed or free",
    ),
    "a target rate below 0": (
        set_option("target_rate_per_s", -5.0),
        "heron.packing.bridge.target.rate is -5.0 tuples/s",
    ),
    "a target rate that is no number": (
        set_option("target_rate_per_s", float("nan")),
        "heron.packing.bridge.target.rate is nan tuples/s",
    ),
    "a target rate beyond all": (
        set_option("target_rate_per_s", 1e300),
        "would carry 1e+300 tuples/s",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_value_at_fault(name: str) -> None:
    edit, complaint = REFUSED[name]
    message = repack_message(CURRENT)
    edit(message)
    with pytest.raises(PackingError) as refused:
        answer("Repack", message.SerializeToString())
    assert complaint in str(refused.value)


def test_empty_bytes_and_noise() -> None:
    for method in ("Pack", "Repack"):
        with pytest.raises(InvalidRequest, match="the request has no topology"):
            answer(method, b"")
        with pytest.raises(InvalidRequest, match="the request cannot be parsed: its 10000000 by"):
            answer(method, b"\xde\xad\xbe\xef" * 2_500_000)


def test_nobody_has_a_plan() -> None:
    nomad = repack_message(CURRENT, {"split": 1})
    nomad.context.caller.scheduler_class = "org.apache.heron.scheduler.nomad.NomadScheduler"
    nomad.container_count = 3
    with pytest.raises(Infeasible, match="the nomad scheduler cannot add or remove containers"):
        repack(nomad)


def test_methods_that_are_not_offered() -> None:
    with pytest.raises(NotOffered, match="Foretell is declared in the contract but not offered"):
        answer("Foretell", b"")


# --- the contract --------------------------------------------------------------------------------


@pytest.mark.parametrize("revision", [0, 1, CONTRACT_REVISION])
def test_older_revisions_are_answered(revision: int) -> None:
    check_revision(revision)
    message = pack_message()
    message.context.caller.contract_revision = revision
    assert pack(message).report.contract_revision == CONTRACT_REVISION


def test_a_newer_revision_is_told_what_to_do() -> None:
    message = pack_message()
    message.context.caller.contract_revision = CONTRACT_REVISION + 1
    # Whatever else it may have: a newer sender may mean other things by it.
    message.context.topology = b"new form"
    with pytest.raises(IncompatibleContract) as refused:
        pack(message)
    told = str(refused.value)
    assert f"speaks revision {CONTRACT_REVISION + 1} of heron.bridge.v1" in told
    assert "update the bridge, or use an older plugin" in told


def test_fields_of_tomorrow_are_skipped() -> None:
    message = pack_message().SerializeToString()
    # Field 900, a text.
    unknown = b"\xa2\x38\x05hello"
    plan_of = wire.PlanResponse.FromString(answer("Pack", message + unknown)).plan
    assert plan_of == pack(pack_message()).plan


# --- fuzzing -------------------------------------------------------------------------------------

PACK_BYTES = pack_message().SerializeToString()
REPACK_BYTES = repack_message(CURRENT, {"split": 1, "count": -1}).SerializeToString()
FUZZ = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    data = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["set", "flip", "cut", "insert", "remove", "repeat"]))
        if kind == "set" and data:
            data[at] = draw(st.integers(0, 255))
        elif kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "remove":
            del data[at : at + draw(st.integers(1, 8))]
        elif kind == "repeat":
            data += data[at : at + 200]
    return bytes(data)


def valid_or_refused(method: str, data: bytes) -> None:
    try:
        response = wire.PlanResponse.FromString(answer(method, data))
    except (PackingError, IncompatibleContract) as error:
        assert " " in str(error)
        return
    if method == "Pack":
        context = wire.PackRequest.FromString(data).context
        before = None
    else:
        message = wire.RepackRequest.FromString(data)
        context, before = message.context, message.current_plan
    of = topology_from_bytes(context.topology).topology
    made = plan_from_bytes(response.plan, of, "the plan")
    if before is None:
        request = Request(of, Constraints(), containers_free=True)
    else:
        running = plan_from_bytes(before, of, "the current plan")
        deltas = dict(message.component_deltas)
        request = Request(of, Constraints(), current=running, deltas=deltas)
    assert not [v for v in violations(made, request) if v.fatal]


@FUZZ
@given(mutated(PACK_BYTES))
def test_any_pack_is_answered_or_refused(data: bytes) -> None:
    valid_or_refused("Pack", data)


@FUZZ
@given(mutated(REPACK_BYTES))
def test_any_repack_is_answered_or_refused(data: bytes) -> None:
    valid_or_refused("Repack", data)


@FUZZ
@given(mutated(topology_message().SerializeToString()))
def test_any_topology_is_answered_or_refused(data: bytes) -> None:
    message = pack_message()
    message.context.topology = data
    valid_or_refused("Pack", message.SerializeToString())


@FUZZ
@given(mutated(plan_to_bytes(CURRENT)))
def test_any_current_plan_is_answered_or_refused(data: bytes) -> None:
    message = repack_message(CURRENT, {"split": 1, "count": -1})
    message.current_plan, message.current_plan_sha256 = data, b""
    valid_or_refused("Repack", message.SerializeToString())


@FUZZ
@given(mutated(plan_to_bytes(CURRENT)))
def test_any_fallback_plan_is_survived(data: bytes) -> None:
    message = pack_message()
    message.context.fallback.plan = data
    valid_or_refused("Pack", message.SerializeToString())


def test_one_container_and_one_instance() -> None:
    single = topology_message({"words": 1}, {}, [])
    of = topology_from_bytes(single.SerializeToString()).topology
    made = plan_from_bytes(pack(pack_message(single)).plan, of, "the plan")
    assert made == plan_from_bytes(plan_to_bytes(made), of, "the plan")
    assert made.container_ids.tolist() == [1]
    grown = repack_message(plan(of, {1: ["words"]}), {"words": 2}, single)
    assert plan_from_bytes(repack(grown).plan, of, "the plan").instance_count == 3


def test_workers_are_configured_once() -> None:
    with pytest.raises(InvalidRequest, match="objective 'fast' does not exist"):
        configure(objective="fast")
    configure(objective="latency", profiles_dir="/nowhere")
    assert planning.answer("Pack", PACK_BYTES)
