"""Plan files: a packing plan as JSON that people and programs exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.parsing import describe, parse_json, read_bytes
from packing.constraints import MAX_INT
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.resources import MAX_BYTES, MAX_CORES
from packing.topology import Topology

Cores = Annotated[float, Field(ge=0, le=MAX_CORES, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0, le=MAX_BYTES)]
Id = Annotated[int, Field(ge=0, le=MAX_INT)]


class InstanceEntry(BaseModel):
    """One instance; cores and bytes."""

    model_config = ConfigDict(extra="forbid")

    component: str
    task_id: Id
    index: Id
    cpu: Cores
    ram: Bytes
    disk: Bytes


class ContainerEntry(BaseModel):
    """One container with its instances; cores and bytes, padding included."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    cpu: Cores
    ram: Bytes
    disk: Bytes
    instances: list[InstanceEntry]


class PlanFile(BaseModel):
    """A whole plan."""

    model_config = ConfigDict(extra="forbid")

    id: str
    containers: list[ContainerEntry]


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The JSON object of a plan: containers by id, instances by task id."""
    containers: list[dict[str, Any]] = [
        {"id": this, "cpu": cpu, "ram": ram, "disk": disk, "instances": []}
        for this, cpu, ram, disk in zip(
            plan.container_ids.tolist(),
            plan.container_cpu_cores.tolist(),
            plan.container_ram_bytes.tolist(),
            plan.container_disk_bytes.tolist(),
            strict=True,
        )
    ]
    for instance, position in zip(plan.instances(), plan.container.tolist(), strict=True):
        containers[position]["instances"].append(
            {
                "component": instance.component,
                "task_id": instance.task_id,
                "index": instance.component_index,
                "cpu": instance.resources.cpu_cores,
                "ram": instance.resources.ram_bytes,
                "disk": instance.resources.disk_bytes,
            }
        )
    return {"id": plan.topology_id, "containers": containers}


def load_plan(path: Path, topology: Topology) -> Plan:
    """Read a plan file for `topology`. Raises InvalidRequest naming the file and the field."""
    content = parse_json(path, read_bytes(path))
    try:
        entry = PlanFile.model_validate(content)
    except ValidationError as error:
        raise InvalidRequest(
            f"{path} is no plan file, as `heron-bridge plan --json` writes it: "
            f"{describe(error, content, PlanFile)}"
        ) from None
    placed = [(i, c.id) for c in entry.containers for i in c.instances]
    if not placed:
        raise InvalidRequest(f"{path} holds no instances")
    for instance, container_id in placed:
        if instance.component not in topology.position:
            raise InvalidRequest(
                f"{path}: container {container_id} has an instance of {instance.component!r}, "
                f"which the topology does not have; it has {', '.join(topology.names)}"
            )
    try:
        return _plan(entry, placed, topology)
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error}") from None


def _plan(entry: PlanFile, placed: list[tuple[InstanceEntry, int]], topology: Topology) -> Plan:
    return Plan.of(
        entry.id,
        topology.names,
        (
            [topology.position[i.component] for i, _ in placed],
            [i.task_id for i, _ in placed],
            [i.index for i, _ in placed],
            [container_id for _, container_id in placed],
        ),
        (
            np.array([i.cpu for i, _ in placed]),
            np.array([i.ram for i, _ in placed]),
            np.array([i.disk for i, _ in placed]),
        ),
        [c.id for c in entry.containers],
        (
            np.array([c.cpu for c in entry.containers]),
            np.array([c.ram for c in entry.containers]),
            np.array([c.disk for c in entry.containers]),
        ),
    )
