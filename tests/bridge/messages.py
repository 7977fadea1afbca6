"""Requests as the plugin writes them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping

from bridge.conversion import plan_to_bytes
from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from packing.plan import Plan
from packing.planners.round_robin import round_robin
from packing.request import Request
from packing.resources import GIB
from packing.topology import Topology

GIBS = str(GIB)


def topology_message(
    spouts: Mapping[str, int] | None = None,
    bolts: Mapping[str, int] | None = None,
    streams: Iterable[tuple[str, str]] = (("words", "split"), ("split", "count")),
    config: Mapping[str, str] | None = None,
    grouping: int = heron.SHUFFLE,
) -> heron.Topology:
    """Two words, three split, two count, unless said otherwise."""
    message = heron.Topology(id="words-1234", name="words", state=1)
    spouts = {"words": 2} if spouts is None else spouts
    bolts = {"split": 3, "count": 2} if bolts is None else bolts
    streams = list(streams)
    for group, parallelism in ((message.spouts, spouts), (message.bolts, bolts)):
        for name, count in parallelism.items():
            entry = group.add()  # type: ignore[attr-defined]
            entry.comp.name = name
            entry.comp.config.kvs.add(key="topology.component.parallelism", value=str(count))
            if any(source == name for source, _ in streams):
                entry.outputs.add().stream.CopyFrom(
                    heron.StreamId(id="default", component_name=name)
                )
    by_name = {bolt.comp.name: bolt for bolt in message.bolts}
    for source, target in streams:
        declared = by_name[target].inputs.add(gtype=grouping)
        declared.stream.id, declared.stream.component_name = "default", source
    for key, value in (config or {"topology.stmgrs": "2"}).items():
        message.topology_config.kvs.add(key=key, value=value)
    return message


def pack_message(topology: heron.Topology | None = None) -> wire.PackRequest:
    message = wire.PackRequest()
    fill(message.context, topology or topology_message())
    return message


def fill(context: wire.PlanningContext, topology: heron.Topology) -> None:
    context.topology = topology.SerializeToString()
    context.caller.contract_revision = 1
    context.caller.software = "heron-bridge-plugin 0.1.0"
    context.caller.scheduler_class = "org.apache.heron.scheduler.local.LocalScheduler"


def current_plan(topology: Topology) -> Plan:
    from packing.constraints import Constraints  # noqa: PLC0415

    return round_robin(Request(topology, Constraints(container_count=2)))


def repack_message(
    current: Plan, deltas: Mapping[str, int] | None = None, topology: heron.Topology | None = None
) -> wire.RepackRequest:
    message = wire.RepackRequest(current_plan=plan_to_bytes(current))
    message.current_plan_sha256 = hashlib.sha256(message.current_plan).digest()
    fill(message.context, topology or topology_message())
    for name, delta in (deltas if deltas is not None else {"split": 1}).items():
        message.component_deltas[name] = delta
    return message


def edited(plan: Plan, edit: Callable[[heron.PackingPlan], object]) -> bytes:
    """A plan's bytes after a change of the message."""
    message = heron.PackingPlan.FromString(plan_to_bytes(plan))
    edit(message)
    return message.SerializeToString()
