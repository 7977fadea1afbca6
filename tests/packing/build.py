"""Short ways to write topologies, plans and requests in tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from packing.constraints import DEFAULT_INSTANCE, Constraints
from packing.plan import Plan
from packing.resources import GIB, Resources
from packing.topology import Component, Grouping, Kind, Stream, Topology

DATA = Path(__file__).resolve().parents[1] / "data"


def topology(
    components: Mapping[str, int] | None = None,
    streams: Iterable[tuple[str, str] | tuple[str, str, Grouping] | Stream] = (),
) -> Topology:
    """`{"spout": 2, "bolt": 3}`: components whose names start with s are spouts."""
    components = components or {"spout": 2, "bolt": 2}
    return Topology(
        "topology-id",
        "topology",
        tuple(
            Component(name, Kind.SPOUT if name.startswith("s") else Kind.BOLT, parallelism)
            for name, parallelism in components.items()
        ),
        tuple(
            s if isinstance(s, Stream) else Stream(s[0], s[1], "default", (*s, Grouping.SHUFFLE)[2])
            for s in streams
        ),
    )


def chain(*parallelism: int) -> Topology:
    """A spout and bolts in a row: `chain(2, 3)` is spout x2 -> b1 x3."""
    names = ["spout", *(f"b{i}" for i in range(1, len(parallelism)))]
    return topology(dict(zip(names, parallelism, strict=True)), itertools.pairwise(names))


def plan(
    of: Topology,
    containers: Mapping[int, Sequence[str]],
    instance: Resources = DEFAULT_INSTANCE,
    container: Resources | None = None,
    scheduled: Mapping[int, Resources] | None = None,
) -> Plan:
    """`{1: ["spout", "bolt"], 2: ["bolt"]}`: task ids and indexes in the order written."""
    placed = [(name, this) for this, names in containers.items() for name in names]
    seen: dict[str, int] = {}
    index = []
    for name, _ in placed:
        index.append(seen.get(name, 0))
        seen[name] = index[-1] + 1
    most = max((len(names) for names in containers.values()), default=0)
    size = container or instance * most + Resources(1.0, GIB, GIB)
    n, count = len(placed), len(containers)
    return Plan.of(
        of.topology_id,
        of.names,
        (
            [of.position[name] for name, _ in placed],
            list(range(1, n + 1)),
            index,
            [this for _, this in placed],
        ),
        (
            np.full(n, instance.cpu_cores),
            np.full(n, instance.ram_bytes),
            np.full(n, instance.disk_bytes),
        ),
        list(containers),
        (
            np.full(count, size.cpu_cores),
            np.full(count, size.ram_bytes),
            np.full(count, size.disk_bytes),
        ),
        scheduled,
    )


def contents(of: Plan) -> dict[int, list[str]]:
    """Container id -> names of its instances by task id."""
    found: dict[int, list[str]] = {int(this): [] for this in of.container_ids}
    for instance in of.instances():
        found[instance.container_id].append(instance.component)
    return found


def roomy(count: int = 1, **more: object) -> Constraints:
    """Constraints that state nothing but the number of containers."""
    return Constraints(container_count=count, **more)  # type: ignore[arg-type]
