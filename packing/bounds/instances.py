"""What the instances of a request take, as classes of equal size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, Ints
from packing.request import Request
from packing.resources import Resources


@dataclass(frozen=True)
class InstanceSizes:
    """Classes of instances that take the same; none takes more than the plan will give it."""

    component: Ints
    """Position of each class's component; (K,)."""
    supply: Ints
    """Instances per class; (K,)."""
    needs: Floats
    """Cores, RAM and disk bytes of one instance; (K, 3)."""


def instance_sizes(request: Request) -> InstanceSizes:
    """Sizes in any plan for `request`: survivors keep theirs, new ones get what is configured.

    Of a component that shrinks any instance may stop, so each counts as the smallest.
    """
    names, current = request.topology.names, request.current
    configured = np.array([_row(request.constraints.instance(name)) for name in names])
    wanted = np.array([request.parallelism[name] for name in names], dtype=np.int64)
    if current is None:
        return InstanceSizes(np.arange(len(names)), wanted, configured)
    component: list[int] = []
    supply: list[int] = []
    needs: list[Floats] = []
    running = np.column_stack([current.cpu_cores, current.ram_bytes, current.disk_bytes])
    for at, count in enumerate(wanted.tolist()):
        rows, each = np.unique(running[current.component == at], axis=0, return_counts=True)
        if count < each.sum():
            rows, each = rows.min(axis=0)[None], np.array([count])
        elif count > each.sum():
            rows = np.vstack([rows, configured[at]])
            each = np.append(each, count - each.sum())
        component += [at] * len(each)
        supply += each.tolist()
        needs += list(rows.astype(np.float64))
    return InstanceSizes(np.array(component), np.array(supply, dtype=np.int64), np.array(needs))


def _row(resources: Resources) -> Floats:
    return np.array([resources.cpu_cores, resources.ram_bytes, resources.disk_bytes], dtype=float)
