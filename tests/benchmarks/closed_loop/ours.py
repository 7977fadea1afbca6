"""Our rule: every resolution is judged by the model before one is deployed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from packing.advice import RateGoal
from packing.advice.observation import Observation as Observed
from packing.advice.observation import Symptom, SymptomKind
from packing.advice.resolutions import ActionOutcome, PastAction, Timing, resolve
from packing.constraints import Constraints
from packing.model import HeronCosts
from packing.plan import Plan
from packing.profile import Profile
from packing.request import Request
from packing.simulation import Mechanics
from packing.topology import Kind, Topology

from .rules import MIN_BUSY
from .world import HEALTHY_BACK_PRESSURE, INTERVAL_S, PAUSE_S, Observation


@dataclass
class Judged:
    """`packing.advice.resolve` on what the sensors see; what was done and whether it helped."""

    topology: Topology
    profile: Profile
    """As declared: used for what was not measured yet, such as times of bolts that starve."""
    costs: HeronCosts
    mechanics: Mechanics
    headroom: float = 0.1
    past: list[PastAction] = field(default_factory=list)

    def decide(self, seen: Observation) -> Plan | None:
        """The plan of the action that is chosen, unless that is to do nothing."""
        self._learn(seen)
        request = Request(
            self.topology, Constraints(container_count=seen.plan.container_count),
            current=seen.plan, profile=self.profile, costs=self.costs,
        )  # fmt: skip
        found = resolve(
            request, RateGoal(self._rate(seen), headroom=self.headroom), self._observed(seen),
            self.past, Timing(seen.now_s, update_pause_s=PAUSE_S),
        ).chosen  # fmt: skip
        if found is None or found.plan is None or found.plan == seen.plan:
            return None
        self.past.append(
            PastAction(
                found.fingerprint,
                found.kind,
                seen.now_s,
                before=dict(seen.plan.parallelism),
                after=dict(found.parallelism),
            )
        )
        return found.plan

    def _learn(self, seen: Observation) -> None:
        """The first interval after an action tells whether it helped."""
        if not self.past or self.past[-1].outcome is not ActionOutcome.UNKNOWN:
            return
        if seen.now_s - self.past[-1].at_s < INTERVAL_S:
            return
        outcome = ActionOutcome.HELPED if seen.healthy else ActionOutcome.DID_NOT_HELP
        self.past[-1] = replace(self.past[-1], outcome=outcome)

    def _rate(self, seen: Observation) -> float:
        """What the source offers, as its own metrics say."""
        per_instance = sum(
            rate * seen.plan.parallelism[name] for name, rate in self.profile.rate_per_s.items()
        )
        return per_instance * seen.offered_factor

    def _observed(self, seen: Observation) -> Observed:
        """Executed tuples and times per tuple: an instance's time in execute over its tuples."""
        result, plan = seen.result, seen.plan
        service, rates, by_task = {}, {}, {}
        for component in self.topology.components:
            name = component.name
            if component.kind is Kind.SPOUT:
                rates[name] = self.profile.rate_per_s[name] * seen.offered_factor * len(
                    seen.of(name, result.busy)
                )  # fmt: skip
                continue
            executed = seen.of(name, result.executes_per_s).sum()
            emitted = seen.of(name, result.emits_per_s).sum()
            busy = seen.of(name, result.busy).sum()
            if executed <= 0 or busy < MIN_BUSY:
                continue
            overhead_s = (
                self.mechanics.executor_receive_s
                + self.mechanics.executor_emit_s * emitted / executed
            )
            service[name] = max(0.0, float(busy / executed) - overhead_s)
        if result.back_pressure < HEALTHY_BACK_PRESSURE:
            # Rates of bolts tell the selectivities only while nothing is held back.
            for component in self.topology.components:
                if component.kind is Kind.BOLT:
                    rates[component.name] = float(
                        seen.of(component.name, result.executes_per_s).sum()
                    )
        by_task = {
            int(task): float(rate)
            for task, rate in zip(plan.task_id, result.executes_per_s, strict=True)
            if rate > 0
        }
        symptoms = ()
        if result.back_pressure >= HEALTHY_BACK_PRESSURE:
            symptoms = (
                Symptom(
                    SymptomKind.BACK_PRESSURE, back_pressure_share=min(1.0, result.back_pressure)
                ),
            )
        return Observed(rates, service, by_task, symptoms=symptoms)
