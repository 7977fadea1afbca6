"""What to state for a container so that its instances have a given amount beside the padding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from packing.resources import GIB, MIB, describe_bytes

if TYPE_CHECKING:
    from packing.constraints import Constraints

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
