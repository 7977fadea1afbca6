"""How much of a container its instances may take."""

from __future__ import annotations

import numpy as np

from packing.arrays import Floats
from packing.planners.placement import resource_row, stated_sizes
from packing.request import Request


def hard_limit(request: Request) -> Floats:
    """What the user stated less padding, infinite where nothing was; shape (3,)."""
    constraints = request.constraints
    return stated_sizes(constraints) - resource_row(constraints.padding) + 1e-9


def usable(request: Request, otherwise: Floats, needs: Floats) -> Floats:
    """Cores, RAM and disk for instances in a container, shape (3,).

    The stated size less padding; else the hint of the Streamlet API less padding, where every
    instance fits it; else `otherwise`, what round robin's fullest container holds.
    """
    c = request.constraints
    padding = resource_row(c.padding)
    hints = (
        c.container_cpu_hint_cores, c.container_ram_hint_bytes, c.container_disk_hint_bytes
    )  # fmt: skip
    found: Floats = otherwise + np.array([1e-9, 0.0, 0.0])
    for i, (stated, hint) in enumerate(zip(c.stated_container, hints, strict=True)):
        if stated is not None:
            found[i] = stated - padding[i] + 1e-9
        elif hint is not None and hint - padding[i] >= needs[:, i].max():
            found[i] = min(found[i], hint - padding[i])
    return found


def usable_when_running(request: Request, needs: Floats) -> tuple[Floats, Floats]:
    """What instances may take in each running container, (C, 3), and in an added one, (3,).

    A container stays as large as it was granted, however much the configuration allows; where the
    scheduler enforces no sizes it may grow to what an added one may have.
    """
    current, rules = request.current, request.scheduler
    assert current is not None
    padding = resource_row(request.constraints.padding)
    granted = current.granted
    if rules.homogeneous:
        granted = np.broadcast_to(granted.max(axis=0), granted.shape)
    roomy = np.maximum(granted.max(axis=0) - padding, needs.max(axis=0))
    added = usable(request, roomy, needs)
    if rules.enforces_sizes and rules.homogeneous:
        # Containers that are added start with the size of those that run.
        added = np.minimum(added, roomy + 1e-9)
    running = granted - padding + 1e-9
    if not rules.enforces_sizes:
        running = np.maximum(running, added)
    return np.minimum(running, hard_limit(request)), added
