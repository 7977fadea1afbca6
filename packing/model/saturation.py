"""How much load a plan carries, and what limits it.

Heron's back-pressure stops every spout when one buffer is full, so the whole topology runs at the
pace of its weakest server: an instance's thread, a container's quota, a stream manager's loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats
from packing.model.costs import HeronCosts
from packing.model.demand import Demand, Placed, demand
from packing.model.packets import DUTY_IN_BACK_PRESSURE
from packing.model.runtime import Runtime

ROUNDS = 3
"""Packets depend on the load and the load on the packets; this many rounds settle both to a
fraction of a per cent, because packets hardly change with load."""
STREAM_MANAGER_CORES = 1.0
"""A stream manager is one event loop."""


@dataclass(frozen=True)
class Limit:
    """One server and the load factor at which it is full."""

    name: str
    factor: float
    container: int | None = None
    """Container id; None for a limit of the whole topology."""


@dataclass(frozen=True)
class Saturation:
    """Load factors; infinite where nothing limits."""

    sustainable: float
    """Offered load times this runs without back-pressure."""
    delivered: float
    """Part of the offered load that gets through; 1 without back-pressure."""
    limits: tuple[Limit, ...]
    """The weakest server of each kind and container, weakest first."""
    demand: Demand
    """CPU at the load delivered."""


def quotas(placed: Placed, runtime: Runtime, cores: Floats) -> Floats:
    """Cores that each container may use; infinite where nothing enforces them."""
    if runtime.enforced_quotas:
        return cores
    return np.full(placed.plan.container_count, np.inf)


def saturation(placed: Placed, costs: HeronCosts, runtime: Runtime, cores: Floats) -> Saturation:
    """Find the sustainable load, and what is delivered when more is offered.

    In back-pressure a container gets more work done per core than just below it, because full
    buffers make large packets; so what is delivered can exceed what is sustainable.
    """
    quota = quotas(placed, runtime, cores)
    at_load = demand(placed, costs, runtime)
    limits = _limits(placed, at_load, runtime, quota)
    if limits and limits[0].factor < 1.0:
        calm = at_load
        for _ in range(ROUNDS):
            calm = demand(placed, costs, runtime, max(limits[0].factor, 1e-6))
            limits = _limits(placed, calm, runtime, quota)
        pressed = demand(placed, costs, runtime, 1.0, DUTY_IN_BACK_PRESSURE)
        under_pressure = _limits(placed, pressed, runtime, quota)
        delivered = min(1.0, max(limits[0].factor, under_pressure[0].factor))
        shown = under_pressure if under_pressure[0].factor < 1.0 else limits
        return Saturation(limits[0].factor, delivered, shown, pressed)
    return Saturation(limits[0].factor if limits else np.inf, 1.0, limits, at_load)


def _limits(placed: Placed, needs: Demand, runtime: Runtime, quota: Floats) -> tuple[Limit, ...]:
    plan = placed.plan
    found: list[Limit] = []
    with np.errstate(divide="ignore", invalid="ignore"):
        by_container = (quota - needs.container_fixed) / needs.container_rising
        by_manager = (STREAM_MANAGER_CORES - needs.manager_fixed) / needs.manager_rising
        by_thread = 1.0 / needs.thread_rising
    for values, name in ((by_container, "CPU"), (by_manager, "stream manager")):
        for at in np.argsort(values)[:2]:
            if np.isfinite(values[at]):
                this = int(plan.container_ids[at])
                found.append(
                    Limit(f"{name} of container {this}", max(0.0, float(values[at])), this)
                )
    slowest = int(np.argmin(by_thread))
    if np.isfinite(by_thread[slowest]):
        name = (
            f"thread of {plan.components[plan.component[slowest]]} instance {plan.index[slowest]}"
        )
        this = int(plan.container_ids[plan.container[slowest]])
        found.append(Limit(name, float(by_thread[slowest]), this))
    if runtime.host_cores is not None:
        rising = float(needs.container_rising.sum())
        if rising > 0:
            left = runtime.host_cores - float(needs.container_fixed.sum())
            found.append(Limit("CPU of the host", max(0.0, left / rising)))
    return tuple(sorted(found, key=lambda limit: limit.factor))
