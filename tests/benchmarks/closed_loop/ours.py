"""Our rule: every resolution is judged by the model before one is deployed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from packing.advice import RateGoal
from packing.advice.actions import Action, ActionOutcome, PastAction, Timing
from packing.advice.observation import Observation as Observed
from packing.advice.observation import Symptom, SymptomKind
from packing.advice.resolutions import observed_rate, resolve
from packing.constraints import Constraints
from packing.flows import stream_key
from packing.model import HeronCosts
from packing.plan import Plan
from packing.profile import Profile
from packing.request import Request
from packing.topology import Kind, Topology

from .observation import HEALTHY_BACK_PRESSURE, Observation
from .rules import MIN_BUSY, Ds2, Plain
from .watch import Rule


@dataclass(frozen=True)
class Overheads:
    """What an executor's busy time holds besides user code, in seconds."""

    receive_s: float = 0.0
    """Per tuple executed."""
    emit_s: float = 0.0
    """Per tuple emitted."""


@dataclass
class Judged:
    """`packing.advice.resolve` on what the sensors see; what was done and whether it helped."""

    topology: Topology
    profile: Profile
    """As declared: used for what was not measured yet, such as times of bolts that starve."""
    costs: HeronCosts
    timing: Timing
    """Of the world; `now_s` is that of what was seen."""
    overheads: Overheads = Overheads()
    headroom: float = 0.1
    source_told: bool = True
    """Whether the source's own metrics tell what it offers, as DS2 asks for. If not, there is only
    what spouts emit, and what the profile declares."""
    scale_down_after_s: float = 3600.0
    """`heron.health.bridge.scale.down.after.ms`: for so long without a break instances must not
    have been needed."""
    past: list[PastAction] = field(default_factory=list, init=False)
    _low: list[tuple[float, float]] = field(default_factory=list, init=False)
    """Times and rates since something was held back or updated."""

    def decide(self, seen: Observation) -> Plan | None:
        """The plan of the action that is chosen, unless that is to do nothing."""
        self._learn(seen)
        observed = self._observed(seen)
        stated = sum(observed.tuples_per_s[name] for name in self._spouts())
        if not stated:
            # Nothing got through: the next look tells more.
            return None
        self._remember(seen.now_s, stated, held_back=bool(observed.symptoms))
        if not self.source_told and observed.symptoms:
            stated = 0.0
        found = self._chosen(seen, observed, stated)
        if found is not None and not observed.symptoms and _shrinks(found, seen.plan):
            # That is asked with the highest load of a long time.
            found = self._chosen(seen, observed, self._highest()) if self._is_long_low() else None
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
        self._low.clear()
        return found.plan

    def _chosen(self, seen: Observation, observed: Observed, rate_per_s: float) -> Action | None:
        """What the model says is to be done; a rate of 0 leaves it to the bridge to estimate."""
        request = Request(
            self.topology, Constraints(container_count=seen.plan.container_count),
            current=seen.plan, profile=self.profile, costs=self.costs,
        )  # fmt: skip
        wanted = RateGoal(observed_rate(rate_per_s, request, observed), headroom=self.headroom)
        timing = replace(self.timing, now_s=seen.now_s)
        return resolve(request, wanted, observed, self.past, timing).chosen

    def _remember(self, now_s: float, rate_per_s: float, *, held_back: bool) -> None:
        if held_back:
            self._low.clear()
            return
        since_s = now_s - self.scale_down_after_s
        # One from before tells that the memory goes back as far.
        while len(self._low) > 1 and self._low[1][0] <= since_s:
            del self._low[0]
        self._low.append((now_s, rate_per_s))

    def _is_long_low(self) -> bool:
        return bool(self._low) and self._low[-1][0] - self._low[0][0] >= self.scale_down_after_s

    def _highest(self) -> float:
        return max(rate_per_s for _, rate_per_s in self._low)

    def _learn(self, seen: Observation) -> None:
        """The first interval after an action tells whether it helped."""
        if not self.past or self.past[-1].outcome is not ActionOutcome.UNKNOWN:
            return
        if seen.now_s <= self.past[-1].at_s:
            return
        outcome = ActionOutcome.HELPED if seen.healthy else ActionOutcome.DID_NOT_HELP
        self.past[-1] = replace(self.past[-1], outcome=outcome)

    def _spout_rates(self, seen: Observation) -> dict[str, float]:
        """Base tuples of each spout: what the source offers, or what was emitted."""
        if self.source_told:
            return {
                name: rate * seen.offered_factor * seen.plan.parallelism[name]
                for name, rate in self.profile.rate_per_s.items()
            }
        return {name: self._got_through(name, seen) for name in self._spouts()}

    def _got_through(self, spout: str, seen: Observation) -> float:
        """Base tuples of a spout, as its readers executed them.

        Over minutes it is what the spout emits. An interval may stand for less than buffers take to
        fill and empty, and readers go on meanwhile.
        """
        found = [
            seen.sum(s.target, seen.metrics.executes_per_s)
            / self.profile.selectivity.get(stream_key(s), 1.0)
            for s in self.topology.streams
            if s.source == spout and [t.target for t in self.topology.streams].count(s.target) == 1
        ]
        return max(found)

    def _observed(self, seen: Observation) -> Observed:
        metrics, held = seen.metrics, seen.metrics.back_pressure
        under_pressure = held >= HEALTHY_BACK_PRESSURE
        rates = self._spout_rates(seen)
        if not under_pressure:
            # Rates of bolts tell the selectivities only while nothing is held back.
            rates |= {name: seen.sum(name, metrics.executes_per_s) for name in self._bolts()}
        of_tasks = zip(seen.plan.task_id.tolist(), metrics.executes_per_s.tolist(), strict=True)
        symptom = Symptom(SymptomKind.BACK_PRESSURE, back_pressure_share=min(1.0, held))
        return Observed(
            rates,
            self._service_s(seen),
            {task: rate for task, rate in of_tasks if rate > 0},
            symptoms=(symptom,) if under_pressure else (),
        )

    def _service_s(self, seen: Observation) -> dict[str, float]:
        """Time of user code per tuple, of bolts that were at work."""
        found = {}
        for name in self._bolts():
            executed = seen.sum(name, seen.metrics.executes_per_s)
            busy = seen.sum(name, seen.metrics.busy)
            if executed > 0 and busy >= MIN_BUSY:
                emitted = seen.sum(name, seen.metrics.emits_per_s)
                overhead_s = self.overheads.receive_s + self.overheads.emit_s * emitted / executed
                found[name] = max(0.0, busy / executed - overhead_s)
        return found

    def _spouts(self) -> list[str]:
        return [c.name for c in self.topology.components if c.kind is Kind.SPOUT]

    def _bolts(self) -> list[str]:
        return [c.name for c in self.topology.components if c.kind is Kind.BOLT]


def beside_others(judged: Judged) -> dict[str, Rule]:
    """All rules that are compared, each with what `judged` knows; in the last the source is
    unknown and nothing is declared of it."""
    topology, known = judged.topology, judged.profile
    return {
        "Heron's rule": Plain(topology),
        "DS2": Ds2(topology, known),
        "judged": judged,
        "judged, source unknown": replace(
            judged, profile=replace(known, rate_per_s={}), source_told=False
        ),
    }


def _shrinks(action: Action, running: Plan) -> bool:
    return any(action.parallelism[name] < n for name, n in running.parallelism.items())
