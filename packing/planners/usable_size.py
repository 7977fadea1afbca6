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
