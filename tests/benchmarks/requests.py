"""Requests as the plugin sends them, made from workloads."""

from __future__ import annotations

from bridge.conversion import GROUPINGS
from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from bridge.workload import Workload
from packing.constraints import Constraints
from packing.topology import Kind

NUMBERS = {grouping: number for number, grouping in GROUPINGS.items()}


def topology_message(workload: Workload) -> heron.Topology:
    """Heron's message for the topology of a workload, with its configuration."""
    topology = workload.topology
    message = heron.Topology(id=topology.topology_id, name=topology.name, state=1)
    for component in topology.components:
        spout = component.kind is Kind.SPOUT
        entry = message.spouts.add() if spout else message.bolts.add()
        entry.comp.name = component.name
        entry.comp.config.kvs.add(
            key="topology.component.parallelism", value=str(component.parallelism)
        )
        for stream_id in {
            s.stream_id: None for s in topology.streams if s.source == component.name
        }:
            entry.outputs.add().stream.MergeFrom(
                heron.StreamId(id=stream_id, component_name=component.name)
            )
        if isinstance(entry, heron.Bolt):
            for stream in topology.streams:
                if stream.target == component.name:
                    entry.inputs.add(
                        stream=heron.StreamId(id=stream.stream_id, component_name=stream.source),
                        gtype=NUMBERS[stream.grouping],
                    )
    for key, value in _config(workload.constraints).items():
        message.topology_config.kvs.add(key=key, value=value)
    return message


def _config(constraints: Constraints) -> dict[str, str]:
    def joined(amounts: object) -> str:
        assert hasattr(amounts, "items")
        return ",".join(f"{name}:{amount}" for name, amount in amounts.items())

    stated = {
        "topology.stmgrs": constraints.container_count,
        "topology.container.cpu": constraints.container_cpu_cores,
        "topology.container.ram": constraints.container_ram_bytes,
        "topology.container.disk": constraints.container_disk_bytes,
        "topology.container.max.instances": constraints.max_instances,
        "topology.container.padding.percentage": constraints.padding_percentage,
        "topology.component.cpumap": joined(constraints.component_cpu_cores) or None,
        "topology.component.rammap": joined(constraints.component_ram_bytes) or None,
        "topology.component.diskmap": joined(constraints.component_disk_bytes) or None,
    }
    return {key: str(value) for key, value in stated.items() if value is not None}


def _context(workload: Workload, fallback: bytes) -> wire.PlanningContext:
    return wire.PlanningContext(
        caller=wire.Caller(contract_revision=1, software="benchmark"),
        topology=topology_message(workload).SerializeToString(),
        fallback=wire.FallbackPlan(packing_class="RoundRobinPacking", plan=fallback),
    )


def pack_request(workload: Workload, fallback: bytes = b"") -> wire.PackRequest:
    """Pack; `fallback` is the serialised plan of Heron's own class."""
    return wire.PackRequest(context=_context(workload, fallback))


def repack_request(workload: Workload, current_plan: bytes) -> wire.RepackRequest:
    """The change of parallelism that the workload proposes, or one instance more."""
    scale = workload.scale
    deltas = (
        {scale.component: scale.up}
        if scale is not None and scale.up
        else {workload.topology.names[-1]: 1}
    )
    return wire.RepackRequest(
        context=_context(workload, b""), current_plan=current_plan, component_deltas=deltas
    )
