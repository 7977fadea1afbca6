"""Every kind of bad request gets a status and a sentence from the real service, which goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import grpc
import pytest

from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from bridge.workload import WorkloadFile, workload_from_entry
from tests.benchmarks.requests import pack_request, repack_request, topology_message
from tests.bridge.bridge_process import SERVICE, BridgeProcess

TIMEOUT_S = 60.0

WORKLOAD = workload_from_entry(
    WorkloadFile.model_validate(
        {
            "name": "words",
            "components": [
                {"name": "line", "kind": "spout", "parallelism": 2, "cpu": 1, "ram_mb": 512},
                {"name": "split", "kind": "bolt", "parallelism": 3, "cpu": 1, "ram_mb": 512},
                {"name": "count", "kind": "bolt", "parallelism": 4, "cpu": 1, "ram_mb": 512},
            ],
            "streams": [
                {"from": "line", "to": "split", "grouping": "shuffle"},
                {"from": "split", "to": "count", "grouping": "fields"},
            ],
            "containers": {"count": 3, "cpu": 8, "ram_mb": 8192},
        }
    )
)


class Service:
    """The real bridge, called with raw bytes."""

    def __init__(self, target: str) -> None:
        self._channel = grpc.insecure_channel(target.replace("unix://", "unix:"))

    def call(self, method: str, request: bytes) -> bytes:
        unary = self._channel.unary_unary(f"/{SERVICE}/{method}")
        return bytes(unary(request, timeout=TIMEOUT_S))

    def close(self) -> None:
        self._channel.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    address = f"unix://{tmp_path_factory.mktemp('bridge')}/bridge.sock"
    process = BridgeProcess(address, ["--workers", "1"], module="bridge")
    process.wait_for_event("serving")
    client = Service(process.target)
    yield client
    client.close()
    assert process.stop() == 0, "\n".join(process.lines)


@pytest.fixture(scope="module")
def running_plan(service: Service) -> bytes:
    request = pack_request(WORKLOAD).SerializeToString()
    return wire.PlanResponse.FromString(service.call("Pack", request)).plan


def _changed(change: Callable[[heron.Topology], None]) -> bytes:
    """A Pack request whose topology was changed."""
    topology = topology_message(WORKLOAD)
    change(topology)
    request = pack_request(WORKLOAD)
    request.context.topology = topology.SerializeToString()
    return request.SerializeToString()


def _parallelism(topology: heron.Topology, value: str) -> None:
    topology.bolts[0].comp.config.kvs[0].value = value


def _configured(key: str, value: str) -> Callable[[heron.Topology], None]:
    def change(topology: heron.Topology) -> None:
        for entry in topology.topology_config.kvs:
            if entry.key == key:
                entry.value = value
                return
        topology.topology_config.kvs.add(key=key, value=value)

    return change


def _cycle(topology: heron.Topology) -> None:
    back = topology.bolts[0].inputs.add(gtype=heron.SHUFFLE)
    back.stream.MergeFrom(heron.StreamId(id="back", component_name="count"))
    topology.bolts[1].outputs.add().stream.MergeFrom(back.stream)


def _truncated_topology() -> bytes:
    request = pack_request(WORKLOAD)
    request.context.topology = request.context.topology[:-7]
    return request.SerializeToString()


PACKS: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "truncated topology": (_truncated_topology, ["topology", "truncated"]),
    "no topology": (lambda: b"", ["no topology"]),
    "cycle": (lambda: _changed(_cycle), ["cycle", "split", "count"]),
    "unknown grouping": (
        lambda: _changed(lambda t: setattr(t.bolts[0].inputs[0], "gtype", 99)),
        ["grouping 99", "split"],
    ),
    "zero parallelism": (lambda: _changed(lambda t: _parallelism(t, "0")), ["split", "0"]),
    "negative parallelism": (lambda: _changed(lambda t: _parallelism(t, "-3")), ["split", "-3"]),
    "parallelism in words": (lambda: _changed(lambda t: _parallelism(t, "two")), ["'two'"]),
    "too large for a container": (
        lambda: _changed(
            _configured("topology.component.cpumap", "line:1,split:9,count:1"),
        ),
        ["split", "9 cores", "8"],
    ),
    "unknown component in a map": (
        lambda: _changed(_configured("topology.component.rammap", "ghost:1073741824")),
        ["ghost", "topology.component.rammap"],
    ),
    "noise": (lambda: random.Random(7).randbytes(10_000_000), ["10000000 bytes"]),
}


@pytest.mark.parametrize("name", PACKS)
def test_a_bad_pack_is_explained_and_the_next_one_served(service: Service, name: str) -> None:
    build, words = PACKS[name]
    _refused(service, "Pack", build(), words)


def _repacked(running: bytes, **changes: object) -> bytes:
    request = repack_request(WORKLOAD, running)
    request.component_deltas.clear()
    for delta, by in dict(changes.pop("deltas", {})).items():  # type: ignore[call-overload]
        request.component_deltas[delta] = by
    for name, value in changes.items():
        setattr(request, name, value)
    return request.SerializeToString()


def _other_plan(running: bytes, change: Callable[[heron.PackingPlan], None]) -> bytes:
    plan = heron.PackingPlan.FromString(running)
    change(plan)
    return _repacked(plan.SerializeToString(), deltas={"split": 1})


def _first(plan: heron.PackingPlan) -> heron.InstancePlan:
    return plan.container_plans[0].instance_plans[0]


REPACKS: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "removes too many": (
        lambda running: _repacked(running, deltas={"count": -4}),
        ["count", "-4", "at least 1"],
    ),
    "unknown component": (lambda running: _repacked(running, deltas={"ghost": 1}), ["ghost"]),
    "truncated plan": (lambda running: _repacked(running[:-5], deltas={"split": 1}), ["plan"]),
    "no plan": (lambda running: _repacked(b"", deltas={"split": 1}), ["plan"]),
    "plan of another topology": (
        lambda running: _other_plan(running, lambda p: setattr(p, "id", "other")),
        ["other", "words"],
    ),
    "plan with a strange component": (
        lambda running: _other_plan(running, lambda p: setattr(_first(p), "component_name", "x")),
        ["'x'"],
    ),
    "plan with a task id twice": (
        lambda running: _other_plan(
            running, lambda p: setattr(p.container_plans[1].instance_plans[0], "task_id", 1)
        ),
        ["task id 1", "twice"],
    ),
    "damaged plan": (
        lambda running: _repacked(running, current_plan_sha256=b"0" * 32, deltas={"split": 1}),
        ["SHA-256"],
    ),
    "too many containers": (
        lambda running: _repacked(running, container_count=10),
        ["10 containers"],
    ),
}


@pytest.mark.parametrize("name", REPACKS)
def test_a_bad_repack_is_explained_and_the_next_one_served(
    service: Service, running_plan: bytes, name: str
) -> None:
    build, words = REPACKS[name]
    _refused(service, "Repack", build(running_plan), words)


def test_a_newer_plugin_is_told_what_to_update(service: Service) -> None:
    request = pack_request(WORKLOAD)
    request.context.caller.contract_revision = 2
    with pytest.raises(grpc.RpcError) as caught:
        service.call("Pack", request.SerializeToString())
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "update the bridge" in caught.value.details()


def test_an_older_plugin_is_served(service: Service) -> None:
    # Revision 0 is a sender from before the field; unknown fields are from after us.
    request = pack_request(WORKLOAD)
    request.context.caller.ClearField("contract_revision")
    newer_field = bytes([0x9A, 0x7D, 3]) + b"new"
    answer = service.call("Pack", request.SerializeToString() + newer_field)
    assert wire.PlanResponse.FromString(answer).report.contract_revision == 1


def test_advice_without_a_topology_is_refused(service: Service) -> None:
    _refused(service, "Advise", b"", ["topology"])


def test_the_same_request_gets_the_same_plan(service: Service, running_plan: bytes) -> None:
    request = pack_request(WORKLOAD).SerializeToString()
    assert wire.PlanResponse.FromString(service.call("Pack", request)).plan == running_plan


def _refused(service: Service, method: str, request: bytes, words: list[str]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        service.call(method, request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
    for word in words:
        assert word in caught.value.details()
    good = service.call("Pack", pack_request(WORKLOAD).SerializeToString())
    assert wire.PlanResponse.FromString(good).plan
