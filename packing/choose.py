"""From a request to a decision: candidates, predictions, the best of them, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from packing.bounds import Bounds, Gaps, bounds_for, gaps
from packing.bounds.sentences import against_bounds
from packing.candidate import Candidate, ask, examined, failed, judge, predicted
from packing.disruption import disruption
from packing.errors import Infeasible
from packing.goal import Goal
from packing.infeasibility import why_no_plan
from packing.larger_containers import with_larger_containers
from packing.model import Prediction
from packing.model.uncertainty import MODEL_ERROR, probability_better
from packing.objective import ENOUGH, OBJECTIVES, Enough, check_objective
from packing.pareto import pareto
from packing.plan import Plan
from packing.planners import BUILT_IN, Planner, Proposer
from packing.planners.repacked import Repacked
from packing.profile import Basis
from packing.ranking import Ranking
from packing.request import Request
from packing.resources import describe_bytes
from packing.search.budget import DEFAULT_BUDGET, Budget
from packing.validation import Rule, violations

__all__ = [
    "CURRENT",
    "HERON",
    "Candidate",
    "Decision",
    "HeronPlan",
    "ask",
    "choose",
    "judge",
]

HERON = "heron"
"""Name of the candidate that came with the request: the plan that Heron would use without us."""
CURRENT = "current"
"""Name of the running plan, when a request changes nothing."""
LARGER = "+cpu"
"""Added to the name of a candidate whose containers were given more cores."""
TO_ENLARGE = 3
"""So many plans whose containers are full of CPU are also tried with larger ones, the most evenly
loaded first: it gains most."""
NO_TIME = "not asked: the time for this request is nearly over"


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
    pareto: tuple[Candidate, ...] = ()
    """The candidates that no other one beats in everything, the chosen one among them; in order of
    `candidates`."""
    enough: Enough = ENOUGH
    """The load that was asked of the plan."""


@dataclass(frozen=True)
class HeronPlan:
    """What Heron's own packing class answered: a plan, or why it had none."""

    plan: Plan | None
    failure: str = ""
    took_s: float = 0.0
    name: str = HERON
    """Of the candidate; another one for a plan that takes the place of Heron's."""


def choose(
    request: Request,
    planners: Mapping[str, Planner] = BUILT_IN,
    heron: HeronPlan | None = None,
    objective: str = "",
    clock: Callable[[], float] = lambda: 0.0,
    *,
    enough: Enough = ENOUGH,
    budget: Budget = DEFAULT_BUDGET,
) -> Decision:
    """Ask every planner, predict every plan, return the best.

    `heron` is a candidate like the others, and no plan is returned that is predicted to carry less
    than it unless both carry the offered load with headroom to spare (`enough`). `clock` gives
    seconds for the report only; planning itself does not read it. Once `budget.stop` says so, and
    there is a usable plan, no further planner is asked. Raises Infeasible when no candidate is
    usable, InvalidRequest for an unknown objective.
    """
    objective = check_objective(objective)
    goal = Goal(objective, enough, budget)
    basis = request.profile.basis(request.topology)
    if request.changes_nothing:
        return _unchanged(request, goal, basis)
    candidates = []
    if heron is not None:
        candidates.append(_from_heron(request, heron))
    for name, planner in planners.items():
        if budget.stop() and any(c.usable for c in candidates):
            candidates.append(Candidate(name, None, failure=NO_TIME))
        else:
            candidates += answers(
                name, planner, request, goal, clock=clock, known=tuple(candidates)
            )
    usable = [c for c in candidates if c.usable]
    if not usable:
        raise _no_plan(request, planners, candidates)
    barred = heron is not None and usable[0].planner == heron.name
    ranking = Ranking(request, usable[0], objective, enough, barred)
    ranked = ranking.best_first(usable)
    ours = [c for c in ranked if heron is None or c.planner != heron.name]
    larger = list(_enlarged(ours, ranking, request, goal, clock))
    if larger:
        candidates += larger
        ranked = ranking.best_first([*ranked, *(c for c in larger if c.usable)])
    base = ranking.base
    told = {c.planner: c for c in (base, *ranked) if c.intervals is not None}
    candidates = [told.get(c.planner, c) for c in candidates]
    chosen = ranked[0]
    assert chosen.plan is not None
    best = pareto(candidates)
    if all(c.planner != chosen.planner for c in best):
        # Only where an equal one came earlier.
        best = tuple(c for c in candidates if c.planner == chosen.planner or c in best)
    reasons = _reasons(chosen, ranked, candidates, ranking, goal)
    return _with_bounds(
        Decision(
            chosen, chosen.plan, tuple(candidates), objective, tuple(reasons), basis,
            pareto=best, enough=enough,
        ),
        request,
    )  # fmt: skip


def answers(
    name: str,
    planner: Planner,
    request: Request,
    goal: Goal,
    *,
    clock: Callable[[], float] = lambda: 0.0,
    known: tuple[Candidate, ...] = (),
) -> list[Candidate]:
    """What a planner answers: one candidate, or several of one that proposes.

    A plan equal to one of the `known` ones is not judged again; of a proposer it is left out,
    unless it is the only one.
    """
    found: list[Candidate] = []
    started_s = clock()
    for which, answer in _plans(planner, request, goal):
        label = f"{name}/{which}" if which else name
        repacked = answer if isinstance(answer, Repacked) else None
        plan = answer if repacked is None else repacked.plan
        same = None
        if isinstance(plan, Plan):
            same = next((c for c in (*known, *found) if _equal(c.plan, plan)), None)
        if same is not None and which and (found or not same.usable):
            continue
        if isinstance(plan, Exception):
            candidate = failed(label, plan)
        elif same is not None:
            candidate = replace(same, planner=label, intervals=None)
        else:
            try:
                candidate = examined(label, plan, request)
            except Exception as error:
                candidate = failed(label, error)
        ended_s = clock()
        found.append(replace(candidate, took_s=ended_s - started_s, repacked=repacked))
        started_s = ended_s
    return found or [Candidate(name, None, failure="the planner proposed no plan")]


def _plans(planner: Planner, request: Request, goal: Goal) -> Iterator[tuple[str, object]]:
    """Whatever a planner returns or raises."""
    count = 0
    try:
        if not isinstance(planner, Proposer):
            yield "", planner(request)
            return
        for which, plan in planner.propose(request, goal):
            yield which, plan
            count += 1
    except Exception as error:
        yield str(count + 1) if count else "", error


def _equal(plan: Plan | None, other: Plan) -> bool:
    """Whether nothing that is judged differs."""
    return plan is not None and plan.scheduled is None is other.scheduled and plan == other


def _enlarged(
    ranked: list[Candidate],
    ranking: Ranking,
    request: Request,
    goal: Goal,
    clock: Callable[[], float],
) -> Iterator[Candidate]:
    """Plans with more cores where containers limit them."""
    left = TO_ENLARGE
    for candidate in sorted(ranked, key=_unevenness):
        assured = ranking.assured(candidate)
        if not left or not assured:
            continue
        if goal.objective == "throughput":
            wanted = float("inf")
        elif ranking.shortfall(candidate) > 0:
            wanted = goal.enough.load_factor * candidate.sustained / assured
        else:
            continue
        started_s = clock()
        plan = with_larger_containers(candidate, request, wanted)
        if plan is not None:
            left -= 1
            name = f"{candidate.planner}{LARGER}"
            yield replace(judge(name, plan, request), took_s=clock() - started_s)


def _unevenness(candidate: Candidate) -> float:
    assert candidate.prediction is not None
    return round(candidate.prediction.load_max_over_mean, 3)


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

    by_failure: dict[str, list[str]] = {}
    for c in candidates:
        by_failure.setdefault(c.failure, []).append(c.planner)
    complaints = "; ".join(f"{', '.join(names)}: {why}" for why, names in by_failure.items())
    if len(by_failure) == 1 < len(candidates):
        complaints = candidates[0].failure  # what is wrong is the request and no planner
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


def _unchanged(request: Request, goal: Goal, basis: tuple[Basis, ...]) -> Decision:
    current = request.current
    assert current is not None
    candidate = Candidate(
        CURRENT,
        current,
        predicted(current, request),
        disruption(current, current),
    )
    candidate = Ranking(request, candidate, goal.objective, goal.enough).base
    reason = "the request changes nothing, so the running plan stays as it is"
    return _with_bounds(
        Decision(
            candidate, current, (candidate,), goal.objective, (reason,), basis,
            pareto=(candidate,), enough=goal.enough,
        ),
        request,
    )  # fmt: skip


def _from_heron(request: Request, heron: HeronPlan) -> Candidate:
    if heron.plan is None:
        return Candidate(heron.name, None, failure=heron.failure or "no plan", took_s=heron.took_s)
    return replace(judge(heron.name, heron.plan, request), took_s=heron.took_s)


def _reasons(
    chosen: Candidate,
    ranked: list[Candidate],
    candidates: list[Candidate],
    ranking: Ranking,
    goal: Goal,
) -> list[str]:
    """Why this one, in sentences for the person who deploys it."""
    base, objective = ranking.base, goal.objective
    assert chosen.prediction is not None and base.prediction is not None
    reasons = [
        f"{chosen.planner} is best of {len(ranked)} usable plans under the objective "
        f"{objective} ({OBJECTIVES[objective]})"
    ]
    if chosen.planner != base.planner:
        reasons.append(_compared(chosen.prediction, base.prediction, base.planner))
    if chosen.prediction.sustainable_load_factor is not None:
        reasons.append(_carries(chosen, base))
        if chosen.intervals is not None:
            reasons.append(_assured(chosen, ranking, goal.enough))
    moved = chosen.disruption
    if moved is not None:
        reasons.append(
            f"{moved.restarted_instances} of {moved.survivors} surviving instances restart, "
            f"{moved.started_instances} start, {moved.stopped_instances} stop"
        )
        gentlest = next((c for c in ranked if not c.restarts), None)
        if moved.restarted_instances and gentlest is not None:
            reasons.append(_without_restarts(gentlest, ranking, goal.enough))
    if chosen.repacked is not None:
        reasons.append(chosen.repacked.reason)
    reasons += [f"it does not keep to a preference: {v.message}" for v in chosen.violations]
    reasons += [f"a risk: {risk}" for risk in chosen.prediction.risks]
    reasons += [f"{c.planner} has no usable plan: {c.failure}" for c in candidates if not c.usable]
    for other in ranked[1:]:
        if len({v.rule for v in other.violations}) > len({v.rule for v in chosen.violations}):
            reasons.append(f"{other.planner} ranks lower because {other.violations[0].message}")
    return reasons


def _without_restarts(gentlest: Candidate, ranking: Ranking, enough: Enough) -> str:
    """What there is for whoever wants no survivor restarted."""
    told = f"{gentlest.planner} is the best that restarts none"
    assured = ranking.assured(gentlest)
    if assured is None:
        return told
    return (
        f"{told}: it carries {gentlest.sustained:.2f} times the offered load, about {assured:.2f} "
        f"or more with probability {enough.probability:g}"
    )


def _carries(chosen: Candidate, base: Candidate) -> str:
    """What the chosen plan sustains, how sure that is, and what limits it."""
    assert chosen.prediction is not None
    carried = f"{chosen.prediction.sustainable_load_factor:.2f}"
    against = ""
    if chosen.intervals is not None:
        likely = chosen.intervals.sustainable_load_factor
        carried += f" ({likely.low:.2f} to {likely.high:.2f})"
        if chosen.planner != base.planner and base.intervals is not None:
            more = probability_better(
                chosen.intervals.sustainable_draws,
                base.intervals.sustainable_draws,
                relative_error=MODEL_ERROR.capacity,
            )
            against = f"; P(it carries more than {base.planner}) = {more:.2f}"
    limit = chosen.prediction.bottleneck
    return f"it carries {carried} times the offered load; {limit} limits it{against}"


def _assured(chosen: Candidate, ranking: Ranking, enough: Enough) -> str:
    """Whether it carries what it should, how sure that is."""
    assured = ranking.assured(chosen)
    assert assured is not None
    what = f"{enough.load_factor:.2f} times the load was asked for"
    how = f"with probability {enough.probability:g} it carries {assured:.2f} times or more"
    return f"{how}; {what}"


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
