from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from google.protobuf.descriptor import FieldDescriptor as Field
from hypothesis import given
from hypothesis import strategies as st

from bridge.conversion import (
    pack_from_bytes,
    plan_from_bytes,
    plan_to_bytes,
    repack_from_bytes,
    response_from_decision,
    topology_from_bytes,
)
from bridge.wire import heron_pb2 as heron
from packing.choose import choose
from packing.errors import InvalidRequest
from packing.profile import UNKNOWN
from packing.resources import GIB, Resources
from packing.topology import Grouping
from tests.bridge.messages import (
    current_plan,
    edited,
    pack_message,
    repack_message,
    topology_message,
)
from tests.packing.build import chain, plan
from tests.packing.strategies import plans, topologies
from tests.packing.test_repack import crowded

# Heron's topology.proto and packing_plan.proto, the part that is read: number, wire type, repeated.
TEXT, WHOLE, LONG, REAL, PART, CHOICE = (
    Field.TYPE_STRING,
    Field.TYPE_INT32,
    Field.TYPE_INT64,
    Field.TYPE_DOUBLE,
    Field.TYPE_MESSAGE,
    Field.TYPE_ENUM,
)
HERONS = {
    "StreamId": {"id": (1, TEXT, 0), "component_name": (2, TEXT, 0)},
    "StreamSchema": {"keys": (1, PART, 1)},
    "StreamSchema.KeyType": {"key": (1, TEXT, 0)},
    "OutputStream": {"stream": (1, PART, 0)},
    "InputStream": {
        "stream": (1, PART, 0),
        "gtype": (2, CHOICE, 0),
        "grouping_fields": (3, PART, 0),
    },
    "Config": {"kvs": (1, PART, 1)},
    "Config.KeyValue": {"key": (1, TEXT, 0), "value": (2, TEXT, 0)},
    "Component": {"name": (1, TEXT, 0), "config": (3, PART, 0)},
    "Spout": {"comp": (1, PART, 0), "outputs": (2, PART, 1)},
    "Bolt": {"comp": (1, PART, 0), "inputs": (2, PART, 1), "outputs": (3, PART, 1)},
    "Topology": {
        "id": (1, TEXT, 0),
        "name": (2, TEXT, 0),
        "spouts": (3, PART, 1),
        "bolts": (4, PART, 1),
        # Heron's TopologyState, an enum: the same varint as an int32.
        "state": (5, WHOLE, 0),
        "topology_config": (6, PART, 0),
    },
    "Resource": {"cpu": (1, REAL, 0), "ram": (2, LONG, 0), "disk": (3, LONG, 0)},
    "InstancePlan": {
        "component_name": (1, TEXT, 0),
        "task_id": (2, WHOLE, 0),
        "component_index": (3, WHOLE, 0),
        "resource": (4, PART, 0),
    },
    "ContainerPlan": {
        "id": (1, WHOLE, 0),
        "instance_plans": (2, PART, 1),
        "requiredResource": (3, PART, 0),
        "scheduledResource": (4, PART, 0),
    },
    "PackingPlan": {"id": (1, TEXT, 0), "container_plans": (2, PART, 1)},
}
GROUPINGS = {"SHUFFLE": 1, "FIELDS": 2, "ALL": 3, "LOWEST": 4, "NONE": 5, "DIRECT": 6, "CUSTOM": 7}


def declared() -> dict[str, dict[str, tuple[int, int, int]]]:
    found = {}
    left = list(heron.DESCRIPTOR.message_types_by_name.values())
    while left:
        message = left.pop()
        left += message.nested_types
        name = message.full_name.removeprefix("heron.bridge.v1.")
        found[name] = {f.name: (f.number, f.type, int(f.is_repeated)) for f in message.fields}
    return found


def test_field_numbers_are_herons() -> None:
    assert declared() == HERONS


def test_grouping_numbers_are_herons() -> None:
    assert {k: heron.Grouping.Value(k) for k in GROUPINGS} == GROUPINGS
    assert set(heron.Grouping.keys()) - set(GROUPINGS) == {"GROUPING_UNSPECIFIED"}


def varint(value: int) -> bytes:
    value %= 2**64
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def part(number: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def resource(cpu: float, ram: int, disk: int) -> bytes:
    return varint(1 << 3 | 1) + struct.pack("<d", cpu) + whole(2, ram) + whole(3, disk)


def test_a_plan_byte_by_byte() -> None:
    """As Heron's own parser and writer have it, put together by hand."""
    instances = [
        part(1, "spout") + whole(2, 1) + whole(3, 0) + part(4, resource(1.5, GIB, 7)),
        part(1, "b1") + whole(2, 300) + whole(3, 2) + part(4, resource(0.25, 3 * GIB, 0)),
    ]
    inside = b"".join(part(2, i) for i in instances)
    required = part(3, resource(3.0, 5 * GIB, 8))
    by_hand = part(1, "topology-id") + part(2, whole(1, 4) + inside + required)
    read = plan_from_bytes(by_hand, chain(1, 1), "the plan")
    assert [(i.component, i.task_id, i.component_index) for i in read.instances()] == [
        ("spout", 1, 0),
        ("b1", 300, 2),
    ]
    assert read.container_ids.tolist() == [4]
    assert read.cpu_cores.tolist() == [1.5, 0.25]
    assert read.ram_bytes.tolist() == [GIB, 3 * GIB]
    assert read.container_ram_bytes.tolist() == [5 * GIB]
    assert plan_to_bytes(read) == by_hand


def test_zeros_are_written_because_heron_requires_the_fields() -> None:
    made = plan(chain(1), {1: ["spout"]}, instance=Resources(0.0, 0, 0))
    message = heron.PackingPlan.FromString(plan_to_bytes(made))
    (container,) = message.container_plans
    (instance,) = container.instance_plans
    assert instance.HasField("component_index")
    assert all(instance.resource.HasField(name) for name in ("cpu", "ram", "disk"))


@given(st.data())
def test_plans_survive_the_way_there_and_back(data: st.DataObject) -> None:
    of = data.draw(topologies())
    made = data.draw(plans(of))
    data_bytes = plan_to_bytes(made)
    assert plan_from_bytes(data_bytes, of, "the plan") == made
    assert plan_to_bytes(plan_from_bytes(data_bytes, of, "the plan")) == data_bytes


def test_scheduled_sizes_are_read() -> None:
    made = plan(chain(2), {1: ["spout"], 3: ["spout"]})
    message = heron.PackingPlan.FromString(plan_to_bytes(made))
    granted = message.container_plans[1].scheduledResource
    granted.cpu, granted.ram, granted.disk = 9.0, 8, 7
    read = plan_from_bytes(message.SerializeToString(), chain(2), "the plan")
    assert read.scheduled == {3: Resources(9.0, 8, 7)}
    assert read.granted[1].tolist() == [9.0, 8, 7]
    assert read.granted[0].tolist() == [made.container_cpu_cores[0], made.container_ram_bytes[0], (
        made.container_disk_bytes[0]
    )]  # fmt: skip


def test_a_topology_is_read() -> None:
    message = topology_message(grouping=heron.LOWEST)
    message.bolts[0].inputs.add(gtype=heron.FIELDS).stream.CopyFrom(
        heron.StreamId(id="default", component_name="split")
    )
    message.topology_config.kvs.add(key="topology.stmgrs", value="9")
    message.topology_config.kvs.add(key="binary")
    parsed = topology_from_bytes(message.SerializeToString())
    assert parsed.topology.topology_id == "words-1234"
    assert parsed.topology.parallelism == {"words": 2, "split": 3, "count": 2}
    assert [(str(s), s.grouping) for s in parsed.topology.streams] == [
        ("words -default-> split", Grouping.GLOBAL),
        ("split -default-> split", Grouping.FIELDS),
        ("split -default-> count", Grouping.GLOBAL),
    ]
    # Of two entries Heron takes the first; one without text is someone's object.
    assert parsed.config == {"topology.stmgrs": "2"}


def test_what_the_user_wrote_into_components_is_skipped() -> None:
    # Component.serialized_object = 4, Component.class_name = 2, InputStream's object = 4.
    component = part(1, "words") + part(2, "com.example.Words") + part(4, b"\xac\xed secret")
    parallelism = part(1, "topology.component.parallelism") + part(2, "2")
    config = part(3, part(1, parallelism))
    topology = part(1, "id") + part(2, "name") + part(3, part(1, component + config)) + whole(5, 1)
    assert topology_from_bytes(topology).topology.parallelism == {"words": 2}


BROKEN_TOPOLOGIES = {
    "empty": (b"", "the request has no topology; its bytes are empty"),
    "noise": (bytes(range(256)) * 40_000, "the topology cannot be parsed: its 10240000 bytes"),
    "truncated": (
        topology_message().SerializeToString()[:-7],
        "the topology cannot be parsed: its",
    ),
    "no id": (heron.Topology(name="words").SerializeToString(), "the topology 'words' has no id"),
    "no name": (heron.Topology(id="w").SerializeToString(), "topology with id 'w' has no name"),
    "no parallelism": (
        heron.Topology(
            id="w", name="w", spouts=[heron.Spout(comp=heron.Component(name="s"))]
        ).SerializeToString(),
        "component 's' states no topology.component.parallelism",
    ),
    "no component name": (
        heron.Topology(id="w", name="w", spouts=[heron.Spout()]).SerializeToString(),
        "a spout of the topology has no name",
    ),
}


@pytest.mark.parametrize("name", BROKEN_TOPOLOGIES)
def test_topologies_that_cannot_be_read(name: str) -> None:
    data, complaint = BROKEN_TOPOLOGIES[name]
    with pytest.raises(InvalidRequest) as refused:
        topology_from_bytes(data)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("parallelism", "complaint"),
    [
        ("0", "component 'split' has parallelism 0; it must be at least 1"),
        ("-3", "component 'split' has parallelism -3; it must be at least 1"),
        ("many", "component 'split' has topology.component.parallelism 'many', which is not a"),
        ("2.5", "component 'split' has topology.component.parallelism '2.5', which is not"),
        ("", "component 'split' has topology.component.parallelism '', which is not a number"),
        ("2000000000", "2000000004 instances were asked for (2000000000 of 'split')"),
        ("9" * 500, "of 'split'); more than 1000000 are not planned"),
        ("9" * 5000, "which is not a number"),
    ],
)
def test_parallelism_that_cannot_be(parallelism: str, complaint: str) -> None:
    message = topology_message()
    message.bolts[0].comp.config.kvs[0].value = parallelism
    with pytest.raises(InvalidRequest) as refused:
        topology_from_bytes(message.SerializeToString())
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("grouping", "complaint"),
    [
        (99, "has grouping 99, which Heron does not define; it defines SHUFFLE = 1"),
        (0, "grouping 0"),
    ],
)
def test_a_grouping_that_heron_does_not_have(grouping: int, complaint: str) -> None:
    message = topology_message(grouping=grouping)
    with pytest.raises(InvalidRequest) as refused:
        topology_from_bytes(message.SerializeToString())
    assert "stream 'default' of 'words' into 'split'" in str(refused.value)
    assert complaint in str(refused.value)


def test_no_grouping_at_all() -> None:
    message = topology_message()
    message.bolts[1].inputs[0].ClearField("gtype")
    with pytest.raises(InvalidRequest, match="stream 'default' of 'split' into 'count' has no gr"):
        topology_from_bytes(message.SerializeToString())


def test_a_stream_that_nobody_emits() -> None:
    message = topology_message()
    message.bolts[1].inputs[0].stream.component_name = "nobody"
    with pytest.raises(InvalidRequest) as refused:
        topology_from_bytes(message.SerializeToString())
    assert str(refused.value) == (
        "'count' reads stream 'default' of 'nobody', which no component emits; emitted are "
        "default of split, default of words"
    )


OF = chain(2, 2)
PLAN = plan(OF, {1: ["spout", "b1"], 2: ["spout", "b1"]})


def set_resource(message: heron.PackingPlan, **amounts: float) -> None:
    target = message.container_plans[0].requiredResource
    for name, amount in amounts.items():
        setattr(target, name, amount)


BROKEN_PLANS = {
    "empty": (b"", "the plan is missing; its bytes are empty"),
    "noise": (b"\xff" * 1000, "the plan cannot be parsed: its 1000 bytes are not a PackingPlan"),
    "no instances": (heron.PackingPlan(id="x").SerializeToString(), "the plan has no instances"),
    "a strange component": (
        edited(
            PLAN, lambda m: setattr(m.container_plans[0].instance_plans[0], "component_name", "b9")
        ),
        "the plan has an instance of component 'b9', which the topology does not have; it has b1",
    ),
    "a container without id": (
        edited(PLAN, lambda m: m.container_plans[0].ClearField("id")),
        "the plan has a container without an id",
    ),
    "an instance without task id": (
        edited(PLAN, lambda m: m.container_plans[1].instance_plans[1].ClearField("task_id")),
        "an instance of 'b1' in container 2 of the plan lacks its task id or component index",
    ),
    "a container twice": (
        edited(PLAN, lambda m: setattr(m.container_plans[1], "id", 1)),
        "the plan cannot be: container id 1 appears twice",
    ),
    "CPU that is no number": (
        edited(PLAN, lambda m: set_resource(m, cpu=float("nan"))),
        "container 1 of the plan has nan cores",
    ),
    "CPU without end": (
        edited(PLAN, lambda m: set_resource(m, cpu=float("inf"))),
        "container 1 of the plan has inf cores",
    ),
    "negative RAM": (
        edited(PLAN, lambda m: set_resource(m, ram=-5)),
        "container 1 of the plan has 6.0 cores, -5 bytes of RAM",
    ),
    "an instance's CPU that is no number": (
        edited(
            PLAN,
            lambda m: setattr(m.container_plans[0].instance_plans[0].resource, "cpu", float("nan")),
        ),
        "the plan has an instance whose CPU is not a finite number",
    ),
}


@pytest.mark.parametrize("name", BROKEN_PLANS)
def test_plans_that_cannot_be_read(name: str) -> None:
    data, complaint = BROKEN_PLANS[name]
    with pytest.raises(InvalidRequest) as refused:
        plan_from_bytes(data, OF, "the plan")
    expected = complaint.replace("6.0 cores", f"{PLAN.container_cpu_cores[0]} cores")
    assert expected in str(refused.value)


def test_an_old_plugin_states_nothing_new() -> None:
    message = pack_message()
    message.context.ClearField("options")
    message.context.ClearField("fallback")
    message.context.caller.Clear()
    asked = pack_from_bytes(message.SerializeToString())
    assert asked.options.objective == ""
    assert not asked.options.containers_free
    assert asked.heron is None
    assert asked.scheduler.name == "unknown"
    assert not asked.dry_run


def test_a_fallback_that_cannot_be_read_is_a_candidate_without_a_plan() -> None:
    message = pack_message()
    message.context.fallback.packing_class = "RoundRobinPacking"
    message.context.fallback.plan = b"\xff\xff"
    message.context.fallback.took_ms = 250
    asked = pack_from_bytes(message.SerializeToString())
    assert asked.heron is not None
    assert asked.heron.plan is None
    assert "the plan of RoundRobinPacking cannot be parsed" in asked.heron.failure
    assert asked.heron.took_s == 0.25


def test_a_repack_is_read() -> None:
    of = topology_from_bytes(topology_message().SerializeToString()).topology
    current = current_plan(of)
    message = repack_message(current, {"split": 2, "count": -1})
    message.container_count = 4
    message.context.dry_run = True
    asked = repack_from_bytes(message.SerializeToString())
    assert asked.current == current
    assert asked.deltas == {"split": 2, "count": -1}
    assert asked.container_count == 4
    assert asked.current_plan_sha256 == message.current_plan_sha256
    assert asked.dry_run
    assert asked.scheduler.name == "local"
    message.container_count = 0
    message.current_plan_sha256 = b""
    again = repack_from_bytes(message.SerializeToString())
    assert again.container_count is None
    assert again.current_plan_sha256 == asked.current_plan_sha256


def test_instances_of_one_container_are_ordered_by_task() -> None:
    shuffled = edited(PLAN, lambda m: m.container_plans.reverse())
    assert plan_from_bytes(shuffled, OF, "the plan") == PLAN


def test_what_more_moves_would_gain_is_on_the_wire() -> None:
    decision = choose(crowded(), objective="throughput")
    report = response_from_decision(decision, 0.0, b"", "").report
    for told, candidate in zip(report.candidates, decision.candidates, strict=True):
        assert told.HasField("moves") == (candidate.planner == "search")
        if candidate.repacked is None:
            continue
        found = candidate.repacked
        assert (told.moves.taken, told.moves.reason) == (found.taken, found.reason)
        assert len(told.moves.steps) == len(found.curve) > 1
        for sent, step in zip(told.moves.steps, found.curve, strict=True):
            assert (sent.moved_instances, sent.moved_share) == (step.moved, step.moved_share)
            assert sent.sustainable_load_factor == step.sustainable_load_factor
            assert sent.cross_tuples_per_s == step.cross_tuples_per_s
            assert sent.cross_fraction == step.cross_fraction
    unknown = choose(replace(crowded(), profile=UNKNOWN))
    (moves,) = [
        c.moves
        for c in response_from_decision(unknown, 0.0, b"", "").report.candidates
        if c.HasField("moves")
    ]
    assert not moves.steps[0].HasField("sustainable_load_factor")
