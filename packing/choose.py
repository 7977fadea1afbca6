"""From a request to a decision: candidates, predictions, the best of them, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from packing.bounds import Bounds, Gaps, bounds_for, gaps
from packing.bounds.sentences import against_bounds
from packing.disruption import Disruption, disruption
from packing.errors import Infeasible, PackingError
from packing.infeasibility import why_no_plan
from packing.model import Prediction, predict_placed
from packing.model.uncertainty import (
    DRAWS,
    MODEL_ERROR,
    SEED,
    Intervals,
    probability_better,
    spread,
)
from packing.objective import (
    HEADROOM,
    OBJECTIVES,
    Reference,
    Score,
    check_objective,
    pressure,
    reference,
    score,
)
from packing.plan import Plan
from packing.planners import BUILT_IN, Planner
from packing.profile import Basis, draw_factors
from packing.request import Request
from packing.resources import describe_bytes
from packing.validation import Rule, Violation, violations

HERON = "heron"
"""Name of the candidate that came with the request: the plan that Heron would use without us."""
GAIN_WORTH_A_RESTART = 1.05
"""A plan that restarts survivors must sustain this much more than one that does not."""
CURRENT = "current"
"""Name of the running plan, when a request changes nothing."""


@dataclass(frozen=True)
class Candidate:
    """One planner's answer, with what it would do or why it is none."""

    planner: str
    plan: Plan | None
    prediction: Prediction | None = None
    disruption: Disruption | None = None
    violations: tuple[Violation, ...] = ()
    failure: str = ""
    """Why there is no usable plan; empty for a usable one."""
    took_s: float = 0.0
    intervals: Intervals | None = None
    """How far off the prediction may be; of the chosen plan and the one it is compared with, where
    the load is known."""

    @property
    def usable(self) -> bool:
        """Whether the plan could be deployed."""
        return not self.failure and self.prediction is not None


@dataclass(frozen=True)
class Decision:
    """The chosen candidate among all, and the reasons in sentences."""

    chosen: Candidate
    plan: Plan
    candidates: tuple[Candidate, ...]
    objective: str
    reasons: tuple[str, ...]
    basis: tuple[Basis, ...]
    bounds: Bounds | None = None
    """What no plan that takes no more than the chosen one can do better."""
    gaps: Gaps | None = None
    """How far the chosen plan is from that."""


@dataclass(frozen=True)
class HeronPlan:
    """What Heron's own packing class answered: a plan, or why it had none."""

    plan: Plan | None
    failure: str = ""
    took_s: float = 0.0


def choose(
    request: Request,
    planners: Mapping[str, Planner] = BUILT_IN,
    heron: HeronPlan | None = None,
    objective: str = "",
    clock: Callable[[], float] = lambda: 0.0,
) -> Decision:
    """Ask every planner, predict every plan, return the best.

    `heron` is a candidate like the others, and no plan is returned that is predicted to carry less
    than it unless both carry the offered load with headroom to spare. `clock` gives seconds for
    the report only; planning itself does not read it. Raises Infeasible when no candidate is
    usable, InvalidRequest for an unknown objective.
    """
    objective = check_objective(objective)
    basis = request.profile.basis(request.topology)
    if request.changes_nothing:
        return _unchanged(request, objective, basis)
    candidates = []
    if heron is not None:
        candidates.append(_from_heron(request, heron))
    candidates += [ask(name, planner, request, clock) for name, planner in planners.items()]
    usable = [c for c in candidates if c.usable]
    if not usable:
        raise _no_plan(request, planners, candidates)
    base = usable[0]
    ranked = _ranked(usable, base, objective)
    told = {c.planner: c for c in _with_intervals([ranked[0], base], request)}
    candidates = [told.get(c.planner, c) for c in candidates]
    ranked = [told.get(c.planner, c) for c in ranked]
    base, chosen = told[base.planner], ranked[0]
    assert chosen.plan is not None
    reasons = _reasons(chosen, ranked, candidates, base, objective)
    return _with_bounds(
        Decision(chosen, chosen.plan, tuple(candidates), objective, tuple(reasons), basis), request
    )


def _with_bounds(decision: Decision, request: Request) -> Decision:
    """The decision with how near its plan is to the best possible."""
    chosen, plan = decision.chosen, decision.plan
    assert chosen.prediction is not None
    bounds = bounds_for(request, plan)
    gap = gaps(plan, chosen.prediction, bounds, chosen.disruption)
    told = against_bounds(chosen.prediction, bounds, gap, chosen.disruption)
    return replace(decision, reasons=(*decision.reasons, *told), bounds=bounds, gaps=gap)


def _no_plan(
    request: Request, planners: Mapping[str, Planner], candidates: list[Candidate]
) -> Infeasible:
    """What is short and what would fit, before what each planner says."""

    def can_plan(changed: Request) -> bool:
        # The last ones are our own, which keep to what was asked and are the quickest.
        return any(_keeps_count(planner, changed) for planner in reversed(tuple(planners.values())))

    complaints = "; ".join(f"{c.planner}: {c.failure}" for c in candidates)
    first = why_no_plan(request, can_plan)
    if first:
        return Infeasible(f"{first}. {complaints}")
    return Infeasible(f"no plan satisfies the request: {complaints}")


def _keeps_count(planner: Planner, request: Request) -> bool:
    """Whether a planner has a plan for the containers asked for."""
    try:
        broken = violations(planner(request), request)
    except Exception:
        return False
    return not any(v.fatal or v.rule in {Rule.CONTAINER_COUNT, Rule.PADDING} for v in broken)


def _unchanged(request: Request, objective: str, basis: tuple[Basis, ...]) -> Decision:
    current = request.current
    assert current is not None
    candidate = Candidate(
        CURRENT,
        current,
        _prediction(current, request),
        disruption(current, current),
    )
    (candidate,) = _with_intervals([candidate], request)
    reason = "the request changes nothing, so the running plan stays as it is"
    return _with_bounds(
        Decision(candidate, current, (candidate,), objective, (reason,), basis), request
    )


def ask(
    name: str, planner: Planner, request: Request, clock: Callable[[], float] = lambda: 0.0
) -> Candidate:
    """One planner's plan, checked and predicted; a candidate without one when the planner fails.

    A planner may be anyone's: whatever it raises or returns is reported, never raised.
    """
    started_s = clock()
    try:
        plan: object = planner(request)
        if isinstance(plan, Plan):
            candidate = judge(name, plan, request)
        else:
            failure = f"the planner returned {type(plan).__name__}, not a plan"
            candidate = Candidate(name, None, failure=failure)
    except PackingError as error:
        candidate = Candidate(name, None, failure=str(error) or type(error).__name__)
    except Exception as error:
        failure = f"the planner failed with {type(error).__name__}: {error}"
        candidate = Candidate(name, None, failure=failure)
    return replace(candidate, took_s=clock() - started_s)


def _from_heron(request: Request, heron: HeronPlan) -> Candidate:
    if heron.plan is None:
        return Candidate(HERON, None, failure=heron.failure or "no plan", took_s=heron.took_s)
    return replace(judge(HERON, heron.plan, request), took_s=heron.took_s)


def judge(name: str, plan: Plan, request: Request) -> Candidate:
    """Check and predict a plan."""
    broken = tuple(violations(plan, request))
    fatal = [v for v in broken if v.fatal]
    if fatal:
        return Candidate(name, plan, violations=broken, failure=fatal[0].message)
    return Candidate(
        name,
        plan,
        _prediction(plan, request),
        None if request.current is None else disruption(plan, request.current),
        broken,
    )


def _prediction(plan: Plan, request: Request) -> Prediction:
    return predict_placed(
        request.prepared,
        plan,
        request.scheduler.homogeneous,
        request.costs,
        request.runtime,
    )


def _with_intervals(candidates: list[Candidate], request: Request) -> list[Candidate]:
    """The candidates under the same draws of what the truth may be; as they are without a load."""
    known = [c.prediction is not None and c.prediction.latency is not None for c in candidates]
    if not all(known):
        return candidates
    factors = draw_factors(request.profile, request.target, DRAWS, SEED)
    return [
        replace(
            candidate,
            intervals=spread(
                request.prepared,
                candidate.plan,
                factors,
                request.scheduler.homogeneous,
                request.costs,
                request.runtime,
                point=candidate.prediction,
            ),
        )
        for candidate in candidates
        if candidate.plan is not None
    ]


def _ranked(usable: list[Candidate], base: Candidate, objective: str) -> list[Candidate]:
    """Best first: enough load, no needless restarts, few broken preferences, then the objective."""
    assert base.prediction is not None
    against: Reference = reference(base.prediction)
    enough = 1.0 / (1.0 + HEADROOM)
    # Heron's plan sets the bar where it came with the request and its load is known; how evenly
    # requested CPU is spread says too little to rule a plan out.
    known = base.prediction.sustainable_load_factor is not None
    heron = base.planner == HERON and known
    bar = max(against.pressure * (1 + 1e-9), enough) if heron else float("inf")

    undisturbed = [_sustained(c) for c in usable if not _restarts(c)]

    def needlessly_disturbs(candidate: Candidate) -> bool:
        """Restarts survivors without carrying enough more than the best plan that restarts none."""
        if not undisturbed or not _restarts(candidate):
            return False
        return _sustained(candidate) < max(undisturbed) * GAIN_WORTH_A_RESTART or not any(
            undisturbed
        )

    def key(candidate: Candidate) -> tuple[bool, bool, int, Score]:
        assert candidate.prediction is not None
        return (
            pressure(candidate.prediction) > bar,
            needlessly_disturbs(candidate),
            len({v.rule for v in candidate.violations}),
            score(objective, candidate.prediction, candidate.disruption, against),
        )

    return sorted(usable, key=key)


def _restarts(candidate: Candidate) -> int:
    return 0 if candidate.disruption is None else candidate.disruption.restarted_instances


def _sustained(candidate: Candidate) -> float:
    """Sustainable load; 0 where it is not known."""
    assert candidate.prediction is not None
    return candidate.prediction.sustainable_load_factor or 0.0


def _reasons(
    chosen: Candidate,
    ranked: list[Candidate],
    candidates: list[Candidate],
    base: Candidate,
    objective: str,
) -> list[str]:
    """Why this one, in sentences for the person who deploys it."""
    assert chosen.prediction is not None and base.prediction is not None
    reasons = [
        f"{chosen.planner} is best of {len(ranked)} usable plans under the objective "
        f"{objective} ({OBJECTIVES[objective]})"
    ]
    if chosen is not base:
        reasons.append(_compared(chosen.prediction, base.prediction, base.planner))
    if chosen.prediction.sustainable_load_factor is not None:
        reasons.append(_carries(chosen, base))
    moved = chosen.disruption
    if moved is not None:
        reasons.append(
            f"{moved.restarted_instances} of {moved.survivors} surviving instances restart, "
            f"{moved.started_instances} start, {moved.stopped_instances} stop"
        )
    reasons += [f"it does not keep to a preference: {v.message}" for v in chosen.violations]
    reasons += [f"a risk: {risk}" for risk in chosen.prediction.risks]
    reasons += [f"{c.planner} has no usable plan: {c.failure}" for c in candidates if not c.usable]
    for other in ranked[1:]:
        if len({v.rule for v in other.violations}) > len({v.rule for v in chosen.violations}):
            reasons.append(f"{other.planner} ranks lower because {other.violations[0].message}")
    return reasons


def _carries(chosen: Candidate, base: Candidate) -> str:
    """What the chosen plan sustains, how sure that is, and what limits it."""
    assert chosen.prediction is not None
    carried = f"{chosen.prediction.sustainable_load_factor:.2f}"
    against = ""
    if chosen.intervals is not None:
        likely = chosen.intervals.sustainable_load_factor
        carried += f" ({likely.low:.2f} to {likely.high:.2f})"
        if chosen is not base and base.intervals is not None:
            more = probability_better(
                chosen.intervals.sustainable_draws,
                base.intervals.sustainable_draws,
                relative_error=MODEL_ERROR.capacity,
            )
            against = f"; P(it carries more than {base.planner}) = {more:.2f}"
    limit = chosen.prediction.bottleneck
    return f"it carries {carried} times the offered load; {limit} limits it{against}"


def _compared(ours: Prediction, theirs: Prediction, name: str) -> str:
    figures = (
        (f"{ours.cross_fraction:.1%}", f"{theirs.cross_fraction:.1%}", "cross traffic"),
        (str(ours.containers), str(theirs.containers), "containers"),
        (f"{ours.cores:g}", f"{theirs.cores:g}", "cores"),
        (describe_bytes(ours.ram_bytes), describe_bytes(theirs.ram_bytes), "RAM"),
        (f"{ours.load_max_over_mean:.2f}", f"{theirs.load_max_over_mean:.2f}", "load max/mean"),
    )
    different = [f"{what} {our} instead of {their}" for our, their, what in figures if our != their]
    return f"against {name}: {', '.join(different) or 'the same figures'}"
