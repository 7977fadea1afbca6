"""Sizes of a container against what its instances need beside the padding."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from packing.constraints import Constraints
from packing.errors import InvalidRequest
from packing.resources import GIB, MIB, Resources, describe_bytes

SIZE_KEYS = ("topology.container.cpu", "topology.container.ram", "topology.container.disk")
MAX_INSTANCES_KEY = "topology.container.max.instances"

ROUND_CORES = 0.5
ROUND_BYTES = 64 * MIB
ROUND_LARGE_BYTES = GIB // 2
"""Sizes from 10 GiB up are proposed in steps of this, as they are written with one decimal."""
ROUNDS = 60


def smallest_size(constraints: Constraints, key: str, usable: float) -> float:
    """The size to state under `key` for `usable` beside the padding, rounded up to what reads well.

    Infinite when the padding grows as fast as the container.
    """
    if key == MAX_INSTANCES_KEY:
        return math.ceil(usable - 1e-9)
    cores = key == SIZE_KEYS[0]
    unit = ROUND_CORES if cores else ROUND_BYTES
    size = usable
    for _ in range(ROUNDS):
        if not cores and size >= 10 * GIB:
            unit = ROUND_LARGE_BYTES
        size = math.ceil(size / unit - 1e-9) * unit
        padding = resized(constraints, {key: size}).padding
        kept = (padding.cpu_cores, padding.ram_bytes, padding.disk_bytes)[SIZE_KEYS.index(key)]
        missing = usable - (size - kept)
        if missing <= 1e-9:
            return size if cores else int(size)
        size += max(missing, unit)
    return math.inf


def resized(constraints: Constraints, sizes: Mapping[str, float]) -> Constraints:
    """The same constraints with other sizes of a container, by configuration key."""
    fields = {
        SIZE_KEYS[0]: "container_cpu_cores",
        SIZE_KEYS[1]: "container_ram_bytes",
        SIZE_KEYS[2]: "container_disk_bytes",
        MAX_INSTANCES_KEY: "max_instances",
    }
    changes = {
        fields[key]: float(value) if key == SIZE_KEYS[0] else int(value)
        for key, value in sizes.items()
    }
    return replace(constraints, **changes)  # type: ignore[arg-type]


def stated(key: str, value: float) -> str:
    """`topology.container.ram=5368709120 (5120 MiB)`: as it is configured, and for people."""
    if key in SIZE_KEYS[1:]:
        return f"{key}={value:.0f} ({describe_bytes(value)})"
    return f"{key}={value:g}"


def check_instances_fit(constraints: Constraints, components: Collection[str]) -> None:
    """Raise InvalidRequest for a component whose instance no container can hold.

    Only stated sizes count: where none is stated a container is as large as it must be. The
    message names the smallest sizes that hold any of `components`.
    """
    names = list(components)
    for name in names:
        wanting = _too_small(constraints, constraints.instance(name))
        if not wanting:
            continue
        sizes = []
        for key in wanting:
            at = SIZE_KEYS.index(key)
            most = max(constraints.instance(other).row[at] for other in names)
            sizes.append((key, smallest_size(constraints, key, most)))
        reached = all(math.isfinite(size) for _, size in sizes)
        remedy = (
            f"state {' and '.join(stated(key, size) for key, size in sizes)}"
            if reached
            else "lower topology.container.padding.percentage"
        )
        raise InvalidRequest(
            f"an instance of component {name!r} asks for {' and '.join(wanting.values())} in a "
            f"container; {remedy}, or lower what the component asks for"
        )


def _too_small(constraints: Constraints, need: Resources) -> dict[str, str]:
    """Keys of the stated sizes that do not hold such an instance, each with the amounts."""
    capacity, padding = constraints.capacity, constraints.padding
    found = {}
    for at, (key, limit) in enumerate(zip(SIZE_KEYS, constraints.stated_container, strict=True)):
        wanted = need.row[at] + padding.row[at]
        if limit is None or wanted <= capacity.row[at] + (1e-9 if at == 0 else 0):
            continue
        if at == 0:
            found[key] = (
                f"{need.cpu_cores:g} cores of the {capacity.cpu_cores:g} "
                f"({padding.cpu_cores:g} are padding)"
            )
        else:
            found[key] = (
                f"{describe_bytes(need.row[at])} {('', 'RAM', 'disk')[at]} of the "
                f"{describe_bytes(capacity.row[at])} ({describe_bytes(padding.row[at])} are "
                "padding)"
            )
    return found
