"""Workload files: a topology with its load, sizes and containers, in JSON or YAML.

The form is the one of the benchmark topologies (`bench-topology/1`); a Heron `.defn` is one too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bridge.parsing import describe, parse_file, read_bytes
from bridge.profile_file import is_profile_form, load_profile_file
from packing.constraints import MAX_INT, Constraints, read_constraints
from packing.errors import InvalidRequest
from packing.plan import Plan
from packing.profile import Profile, Source
from packing.resources import MIB
from packing.topology import Component, Grouping, Kind, Stream, Topology

SUFFIXES = (".json", ".yaml", ".yml", ".defn")

Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ComponentEntry(_Part):
    """One component of a workload file."""

    name: str
    kind: Literal["spout", "bolt"]
    parallelism: Count
    cpu: Amount | None = Field(None, description="cores requested per instance")
    ram_mb: Amount | None = Field(None, description="MiB per instance")
    disk_mb: Amount | None = Field(None, description="MiB per instance")
    service_ms: Amount | None = Field(None, description="CPU ms per input tuple")
    rate: Amount | None = Field(None, description="base tuples/s per spout instance")


class StreamEntry(_Part):
    """One stream of a workload file."""

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    stream: str = "default"
    grouping: Literal["shuffle", "fields", "all", "global", "none", "direct", "custom"]
    selectivity: Amount | None = None
    tuple_bytes: Amount | None = None


class ContainersEntry(_Part):
    """How many containers, and how large."""

    count: Count = 1
    max_instances: Count | None = None
    usable_ram_mb: Amount | None = None
    usable_cpu: Amount | None = None
    ram_mb: Amount | None = Field(None, description="MiB per container, padding included")
    cpu: Amount | None = Field(None, description="cores per container, padding included")
    disk_mb: Amount | None = None
    padding_percent: Count | None = None


class ScaleEntry(_Part):
    """A change of one component's parallelism to try: instances to add, instances to remove."""

    component: str
    up: Count = 0
    down: Count = 0


class WorkloadFile(_Part):
    """A whole workload file."""

    form: Literal["bench-topology/1"] = Field("bench-topology/1", alias="schema")
    name: str = Field(min_length=1)
    shape: str | None = None
    instances: int | None = None
    seed: int | None = None
    components: list[ComponentEntry]
    streams: list[StreamEntry] = []
    containers: ContainersEntry = Field(default_factory=lambda: ContainersEntry.model_validate({}))
    scale: ScaleEntry | None = None


@dataclass(frozen=True)
class Workload:
    """A topology with its sizes and load, in the terms of planning."""

    name: str
    topology: Topology
    constraints: Constraints
    profile: Profile
    scale: ScaleEntry | None = None
    running: Plan | None = None
    """The plan that it runs under, where it was read from a live cluster."""
    notes: tuple[str, ...] = ()
    """What to know of a load that was measured there, in sentences."""


def load_workload(path: Path, profile: Path | None = None) -> Workload:
    """Read a workload file or a Heron `.defn`.

    `profile` names a workload file of the same components whose load is taken instead. Raises
    InvalidRequest with the file, the field and what is wrong with it.
    """
    workload = _load(path)
    if profile is None:
        return workload
    return replace(workload, profile=load_profile(profile, workload.topology))


def load_profile(path: Path, topology: Topology) -> Profile:
    """The load that a workload or profile file states, for a topology with the same components.

    Raises InvalidRequest when the file speaks of components that the topology does not have.
    """
    if path.suffix != ".defn" and is_profile_form(parse_file(path)):
        return load_profile_file(path, topology)
    stated = _load(path)
    strangers = set(stated.topology.names) - set(topology.names)
    if strangers:
        raise InvalidRequest(
            f"profile {path.name} speaks of component {min(strangers)!r}, which topology "
            f"{topology.name!r} does not have; it has {', '.join(topology.names)}"
        )
    return stated.profile


def _load(path: Path) -> Workload:
    try:
        return _read_workload(path)
    except InvalidRequest as error:
        text = str(error)
        raise InvalidRequest(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _read_workload(path: Path) -> Workload:
    if path.suffix == ".defn":
        # Heron's own form needs protobuf, which the others do not.
        from bridge.conversion import topology_from_bytes  # noqa: PLC0415

        parsed = topology_from_bytes(read_bytes(path))
        return Workload(
            parsed.topology.name,
            parsed.topology,
            read_constraints(parsed.config, parsed.topology.names),
            Profile(),
        )
    content = parse_file(path)
    try:
        entry = WorkloadFile.model_validate(content)
    except ValidationError as error:
        raise InvalidRequest(f"{path}: {describe(error, content, WorkloadFile)}") from None
    return workload_from_entry(entry)


def workload_paths(paths: list[Path]) -> list[Path]:
    """The workload files among `paths`; a folder stands for all workload files in it, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES)
            if not inside:
                raise InvalidRequest(
                    f"{path} holds no workload file; looked for {', '.join(SUFFIXES)}"
                )
            found += inside
        else:
            found.append(path)
    return found


def workload_from_entry(entry: WorkloadFile) -> Workload:
    """Turn a validated file into domain terms; sizes pass through Heron's own config keys."""
    topology = Topology(
        entry.name,
        entry.name,
        tuple(Component(c.name, Kind(c.kind), c.parallelism) for c in entry.components),
        tuple(Stream(s.source, s.target, s.stream, Grouping(s.grouping)) for s in entry.streams),
    )
    keys = {(s.source, s.target, s.stream): s for s in entry.streams}
    if len(keys) < len(topology.streams):
        names = [str(stream) for stream in topology.streams]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise InvalidRequest(f"stream {twice} is listed twice; list it once")
    if entry.scale is not None and entry.scale.component not in topology.position:
        raise InvalidRequest(
            f"scale.component is {entry.scale.component!r}, which the topology does not have; it "
            f"has {', '.join(topology.names)}"
        )
    profile = Profile(
        rate_per_s={c.name: c.rate for c in entry.components if c.rate is not None},
        service_s={
            c.name: c.service_ms / 1000 for c in entry.components if c.service_ms is not None
        },
        selectivity={k: s.selectivity for k, s in keys.items() if s.selectivity is not None},
        tuple_bytes={k: s.tuple_bytes for k, s in keys.items() if s.tuple_bytes is not None},
        source=Source.DECLARED,
    )
    return Workload(entry.name, topology, _constraints(entry, topology), profile, entry.scale)


def _constraints(entry: WorkloadFile, topology: Topology) -> Constraints:
    """As Heron would read them; a complaint names the fields of the file beside Heron's keys."""
    unsuited = next((name for name in topology.names if set(name) & set(",:")), None)
    if unsuited is not None:
        raise InvalidRequest(
            f"component {unsuited!r} has a comma or a colon in its name, which Heron's "
            "configuration cannot state sizes for; rename it"
        )
    try:
        return read_constraints(heron_config(entry), topology.names)
    except InvalidRequest as error:
        text = str(error)
        for key, field in _FIELDS.items():
            text = re.sub(rf"{re.escape(key)}(?![.\w])", f"{field} ({key})", text)
        raise InvalidRequest(text) from None


_FIELDS = {
    "topology.stmgrs": "containers.count",
    "topology.container.cpu": "containers.cpu",
    "topology.container.ram": "containers.ram_mb",
    "topology.container.disk": "containers.disk_mb",
    "topology.container.max.instances": "containers.max_instances",
    "topology.container.padding.percentage": "containers.padding_percent",
    "topology.component.cpumap": "cpu",
    "topology.component.rammap": "ram_mb",
    "topology.component.diskmap": "disk_mb",
}
"""Heron's key -> the field of a workload file that states it."""


def heron_config(entry: WorkloadFile) -> dict[str, str]:
    """The topology configuration that a Heron user would write for the same sizes."""
    containers = entry.containers
    config = {"topology.stmgrs": str(containers.count)}

    def put(key: str, value: float | None, unit: int = 1) -> None:
        if value is not None:
            whole = unit > 1 or isinstance(value, int)
            config[key] = str(round(value * unit)) if whole else f"{value:.12g}"

    put("topology.container.cpu", containers.cpu)
    put("topology.container.ram", containers.ram_mb, MIB)
    put("topology.container.disk", containers.disk_mb, MIB)
    put("topology.container.max.instances", containers.max_instances)
    put("topology.container.padding.percentage", containers.padding_percent)
    maps = (
        ("topology.component.cpumap", {c.name: c.cpu for c in entry.components}, 1),
        ("topology.component.rammap", {c.name: c.ram_mb for c in entry.components}, MIB),
        ("topology.component.diskmap", {c.name: c.disk_mb for c in entry.components}, MIB),
    )
    for key, amounts, unit in maps:
        stated = {n: a for n, a in amounts.items() if a is not None}
        if stated:
            config[key] = ",".join(
                f"{n}:{round(a * unit) if unit > 1 else f'{a:.12g}'}" for n, a in stated.items()
            )
    return config
