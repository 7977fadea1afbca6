"""What is compared: Heron's own rule and that of DS2.

Both place instances as Heron does, by ResourceCompliantRRPacking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from packing.constraints import Constraints
from packing.flows import flows, stream_key
from packing.plan import Plan
from packing.planners.resource_compliant_rr import resource_compliant_rr
from packing.profile import Profile
from packing.request import Request
from packing.topology import Kind, Topology

from .world import Observation

WAIT_S = 180.0
"""Heron's policy looks away that long after an action (DynamicResourceAllocationPolicy)."""
LARGEST_STEP = 5.0
"""ScaleUpResolver's most: times the parallelism there is."""
MIN_BUSY = 1e-3


class Rule(Protocol):
    """A health policy."""

    def decide(self, seen: Observation) -> Plan | None:
        """The plan to deploy, None to leave everything as it is."""
        ...


def repacked(topology: Topology, plan: Plan, wanted: Mapping[str, int]) -> Plan:
    """The plan that Heron's packer makes for other parallelisms."""
    deltas = {name: n - plan.parallelism[name] for name, n in wanted.items()}
    changed = {name: delta for name, delta in deltas.items() if delta}
    return resource_compliant_rr(
        Request(topology, Constraints(container_count=plan.container_count), current=plan,
                deltas=changed)
    )  # fmt: skip


@dataclass
class Plain:
    """Dhalion as Heron ships it: under back-pressure scale up who causes it (ScaleUpResolver).

    With the component's back-pressure bp, in ms per second, n instances become
    ceil(n (1 + bp / (1000 - bp))), at most five times as many; then wait. Never down.
    """

    topology: Topology
    quiet_until_s: float = 0.0

    def decide(self, seen: Observation) -> Plan | None:
        """Scale up one component, if there is back-pressure."""
        held = min(999.0, 1000.0 * seen.result.back_pressure)
        if seen.now_s < self.quiet_until_s or held < 20.0:
            return None
        cause = _cause(seen)
        n = seen.plan.parallelism[cause]
        wanted = min(math.ceil(n * (1 + held / (1000.0 - held))), math.ceil(n * LARGEST_STEP))
        self.quiet_until_s = seen.now_s + WAIT_S
        return repacked(self.topology, seen.plan, {cause: max(wanted, n + 1)})


def _cause(seen: Observation) -> str:
    """The bolt that started back-pressure most often; else the one with the longest queue."""
    result, plan = seen.result, seen.plan
    causes = result.back_pressure_causes.astype(np.float64)
    if not causes.any():
        causes = result.waiting_tuples
    return plan.components[int(plan.component[int(causes.argmax())])]


@dataclass
class Ds2:
    """Kalavri et al. 2018, "Three steps is all you need", equations 7 and 8: for each operator the
    rate that arrives when its inputs keep up, over what one instance really does while it is busy.
    """

    topology: Topology
    profile: Profile
    _last: dict[str, int] = field(default_factory=dict)

    def decide(self, seen: Observation) -> Plan | None:
        """The parallelism that the rates ask for, where it is another one."""
        measured = measured_profile(self.topology, self.profile, seen)
        at = self.topology.with_parallelism(seen.plan.parallelism)
        rates = flows(at, measured)
        wanted = {}
        for i, component in enumerate(at.components):
            if component.kind is Kind.SPOUT:
                continue
            busy = seen.of(component.name, seen.result.busy).sum()
            done = seen.of(component.name, seen.result.executes_per_s).sum()
            if done <= 0 or busy < MIN_BUSY:
                continue
            true_rate = done / busy
            wanted[component.name] = max(1, math.ceil(rates.input_per_s[i] / true_rate - 1e-9))
        changed = {n: w for n, w in wanted.items() if w != seen.plan.parallelism[n]}
        if not changed or changed == self._last:
            # What did not help the first time is no answer.
            return None
        self._last = changed
        return repacked(self.topology, seen.plan, changed)


def measured_profile(topology: Topology, profile: Profile, seen: Observation) -> Profile:
    """What the metrics say: the offered rate, selectivities and times per tuple as measured.

    Selectivity is by the component: a stream's share in it stays that of `profile`.
    """
    selectivity, service = {}, {}
    for component in topology.components:
        name = component.name
        executed = seen.of(name, seen.result.executes_per_s).sum()
        busy = seen.of(name, seen.result.busy).sum()
        service[name] = profile.service_s.get(name, 0.0)
        if component.kind is Kind.BOLT and executed > 0:
            service[name] = float(busy / executed)
    for stream in topology.streams:
        key = stream_key(stream)
        selectivity[key] = profile.selectivity.get(key, 1.0)
    rates = {name: rate * seen.offered_factor for name, rate in profile.rate_per_s.items()}
    return Profile(
        rate_per_s=rates, service_s=service, selectivity=selectivity,
        tuple_bytes=profile.tuple_bytes, key_weights=profile.key_weights,
    )  # fmt: skip
