"""Heron's serialised packing plan, in both directions."""

from __future__ import annotations

import numpy as np

from bridge.conversion.parsing import parse
from bridge.wire import heron_pb2 as heron
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.resources import Resources
from packing.topology import Topology


def plan_from_bytes(data: bytes, topology: Topology, what: str) -> Plan:
    """Read Heron's serialised PackingPlan for `topology`. Raises InvalidRequest naming `what`."""
    if not data:
        raise InvalidRequest(f"{what} is missing; its bytes are empty")
    message = parse(heron.PackingPlan(), data, what)
    names = topology.names
    position = dict(topology.position)
    component: list[int] = []
    task_id: list[int] = []
    index: list[int] = []
    container_id: list[int] = []
    sizes: list[tuple[float, int, int]] = []
    ids: list[int] = []
    container_sizes: list[tuple[float, int, int]] = []
    scheduled: dict[int, Resources] = {}
    for container in message.container_plans:
        if not container.HasField("id"):
            raise InvalidRequest(f"{what} has a container without an id")
        this = container.id
        ids.append(this)
        container_sizes.append(_amounts(container.requiredResource, f"container {this} of {what}"))
        if container.HasField("scheduledResource"):
            granted = _amounts(container.scheduledResource, f"container {this} of {what}")
            scheduled[this] = Resources(*granted)
        for instance in container.instance_plans:
            name = instance.component_name
            known = position.get(name)
            if known is None:
                raise InvalidRequest(
                    f"{what} has an instance of component {name!r}, which the topology does not "
                    f"have; it has {', '.join(sorted(names))}"
                )
            if not (instance.HasField("task_id") and instance.HasField("component_index")):
                raise InvalidRequest(
                    f"an instance of {name!r} in container {this} of {what} lacks its task id or "
                    "component index"
                )
            component.append(known)
            task_id.append(instance.task_id)
            index.append(instance.component_index)
            container_id.append(this)
            resource = instance.resource
            sizes.append((resource.cpu, resource.ram, resource.disk))
    if not component:
        raise InvalidRequest(f"{what} has no instances")
    if not all(np.isfinite(size[0]) for size in sizes):
        raise InvalidRequest(f"{what} has an instance whose CPU is not a finite number")
    cpu, ram, disk = zip(*sizes, strict=True)
    container_cpu, container_ram, container_disk = zip(*container_sizes, strict=True)
    try:
        return Plan.of(
            message.id,
            names,
            (component, task_id, index, container_id),
            (np.array(cpu), np.array(ram, dtype=np.int64), np.array(disk, dtype=np.int64)),
            ids,
            (
                np.array(container_cpu),
                np.array(container_ram, dtype=np.int64),
                np.array(container_disk, dtype=np.int64),
            ),
            scheduled or None,
        )
    except InvalidRequest as error:
        raise InvalidRequest(f"{what} cannot be: {error}") from None


def _amounts(resource: heron.Resource, whose: str) -> tuple[float, int, int]:
    if not np.isfinite(resource.cpu) or min(resource.cpu, resource.ram, resource.disk) < 0:
        raise InvalidRequest(
            f"{whose} has {resource.cpu} cores, {resource.ram} bytes of RAM and {resource.disk} of "
            "disk; none may be negative or infinite"
        )
    return resource.cpu, resource.ram, resource.disk


def plan_to_bytes(plan: Plan) -> bytes:
    """Heron's PackingPlan of a plan, deterministic."""
    message = heron.PackingPlan(id=plan.topology_id)
    containers = []
    for this, cpu, ram, disk in zip(
        plan.container_ids.tolist(),
        plan.container_cpu_cores.tolist(),
        plan.container_ram_bytes.tolist(),
        plan.container_disk_bytes.tolist(),
        strict=True,
    ):
        container = message.container_plans.add(id=this)
        _fill(container.requiredResource, cpu, ram, disk)
        containers.append(container)
    names = plan.components
    for component, task_id, index, position, cpu, ram, disk in zip(
        plan.component.tolist(),
        plan.task_id.tolist(),
        plan.index.tolist(),
        plan.container.tolist(),
        plan.cpu_cores.tolist(),
        plan.ram_bytes.tolist(),
        plan.disk_bytes.tolist(),
        strict=True,
    ):
        instance = containers[position].instance_plans.add(
            component_name=names[component], task_id=task_id, component_index=index
        )
        _fill(instance.resource, cpu, ram, disk)
    return message.SerializeToString(deterministic=True)


def _fill(resource: heron.Resource, cpu: float, ram: int, disk: int) -> None:
    resource.cpu = cpu
    resource.ram = ram
    resource.disk = disk
