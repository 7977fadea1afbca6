"""What is compared: Heron's own rule and that of DS2.

Both place instances as Heron does, by ResourceCompliantRRPacking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from packing.constraints import Constraints
from packing.flows import flows, stream_key
from packing.plan import Plan
from packing.planners.resource_compliant_rr import resource_compliant_rr
from packing.profile import Profile, StreamKey
from packing.request import Request
from packing.topology import Kind, Topology

from .observation import Observation

WAIT_S = 180.0
"""Heron's policy looks away that long after an action (DynamicResourceAllocationPolicy)."""
LARGEST_STEP = 5.0
"""ScaleUpResolver's most: times the parallelism there is."""
MIN_BUSY = 1e-3


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
        held = min(999.0, 1000.0 * seen.metrics.back_pressure)
        if seen.now_s < self.quiet_until_s or held < 20.0:
            return None
        cause = _cause(seen)
        n = seen.plan.parallelism[cause]
        wanted = min(math.ceil(n * (1 + held / (1000.0 - held))), math.ceil(n * LARGEST_STEP))
        self.quiet_until_s = seen.now_s + WAIT_S
        return repacked(self.topology, seen.plan, {cause: max(wanted, n + 1)})


def _cause(seen: Observation) -> str:
    """The bolt that started back-pressure most often; else the one with the longest queue."""
    metrics, plan = seen.metrics, seen.plan
    causes = metrics.back_pressure_causes
    if not causes.any():
        causes = metrics.waiting_tuples
    return plan.components[int(plan.component[int(causes.argmax())])]


@dataclass
class Ds2:
    """Kalavri et al. 2018, "Three steps is all you need", equations 7 and 8: for each operator the
    rate that arrives when its inputs keep up, over what one instance really does while it is busy.

    As in its authors' manager (strymon-system/ds2, `consider_change` of controller/src/bin/
    manager.rs) it acts when an operator is to get more instances or to lose more than one: measured
    times are never exact.
    """

    topology: Topology
    profile: Profile
    _last: dict[str, int] = field(default_factory=dict)

    def decide(self, seen: Observation) -> Plan | None:
        """The parallelism that the rates ask for, where it is another one."""
        at = self.topology.with_parallelism(seen.plan.parallelism)
        arriving = dict(zip(at.names, flows(at, self._measured(at, seen)).input_per_s, strict=True))
        wanted = {}
        for component in at.components:
            name = component.name
            busy = seen.sum(name, seen.metrics.busy)
            done = seen.sum(name, seen.metrics.executes_per_s)
            if component.kind is Kind.BOLT and done > 0 and busy >= MIN_BUSY:
                wanted[name] = max(1, math.ceil(arriving[name] * busy / done - 1e-9))
        there = seen.plan.parallelism
        changed = {n: w for n, w in wanted.items() if w != there[n]}
        matters = any(w > there[n] or w < there[n] - 1 for n, w in changed.items())
        if not matters or changed == self._last:
            # What did not help the first time is no answer.
            return None
        self._last = changed
        return repacked(self.topology, seen.plan, changed)

    def _measured(self, at: Topology, seen: Observation) -> Profile:
        """The offered rate and the selectivities, as measured."""
        rates = {name: rate * seen.offered_factor for name, rate in self.profile.rate_per_s.items()}
        selectivity = measured_selectivity(at, self.profile.selectivity, seen)
        return replace(self.profile, rate_per_s=rates, selectivity=selectivity)


def measured_selectivity(
    topology: Topology, declared: Mapping[StreamKey, float], seen: Observation
) -> dict[StreamKey, float]:
    """Tuples of each stream per tuple executed by its source.

    Bolts tell what they emit on all streams together (`Metrics.emits_per_s`), which is shared out
    as declared. What spouts and bolts without tuples emit stays as declared.
    """
    found = {stream_key(s): declared.get(stream_key(s), 1.0) for s in topology.streams}
    for component in topology.components:
        name = component.name
        executed = seen.sum(name, seen.metrics.executes_per_s)
        keys = [key for key in found if key[0] == name]
        # Several readers of one stream get copies of what is emitted once.
        emitted = sum({stream_id: found[name, to, stream_id] for _, to, stream_id in keys}.values())
        if component.kind is Kind.SPOUT or executed <= 0 or emitted <= 0:
            continue
        ratio = seen.sum(name, seen.metrics.emits_per_s) / executed / emitted
        for key in keys:
            found[key] *= ratio
    return found
