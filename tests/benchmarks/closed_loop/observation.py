"""What a policy sees of a running topology in one interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats
from packing.plan import Plan

HEALTHY_BACK_PRESSURE = 0.02
"""Share of time in back-pressure that counts as none."""
HEALTHY_THROUGHPUT = 0.97
"""Share of what is offered that has to be executed."""


@dataclass(frozen=True, eq=False)
class Metrics:
    """What sensors measured; by instance in the plan's order, shape (n,)."""

    busy: Floats
    """Share of time in which the executor thread was at work."""
    executes_per_s: Floats
    """Tuples executed; 0 for spouts."""
    emits_per_s: Floats
    """Tuples emitted, before they are copied to several readers."""
    waiting_tuples: Floats
    """Tuples before the executor, on average."""
    back_pressure_causes: Floats
    """How often each instance started back-pressure."""
    back_pressure: float
    """Share of time for which spouts were held back."""
    throughput_per_s: float
    """Tuples executed by all instances of components that no stream leaves."""

    def healthy(self, offered_per_s: float) -> bool:
        """Whether nothing is held back, given what those components should execute per second."""
        enough = self.throughput_per_s >= HEALTHY_THROUGHPUT * offered_per_s
        return self.back_pressure < HEALTHY_BACK_PRESSURE and enough


@dataclass(frozen=True)
class Observation:
    """One interval."""

    now_s: float
    """At its end."""
    plan: Plan
    """Which ran."""
    offered_factor: float
    """Offered rate over that of the profile: known from the source's own metrics."""
    metrics: Metrics
    healthy: bool

    def of(self, component: str, values: Floats) -> Floats:
        """The values of one component's instances."""
        found: Floats = values[self.plan.component == self.plan.components.index(component)]
        return found

    def sum(self, component: str, values: Floats) -> float:
        """The values of one component's instances, summed."""
        return float(np.sum(self.of(component, values)))
