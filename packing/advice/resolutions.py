"""What to do about a running topology: every candidate resolution judged, at most one chosen.

Each candidate is a plan and so has a prediction. Chosen is the cheapest that is predicted to carry
the load with the headroom asked for and so to clear the symptoms; when none does, nothing is done,
and each refusal says why. Three rules keep a policy that follows this from oscillating: more
instances are started only when the running plan is too weak for the load, fewer only where the
smaller plan would carry a tenth more than the load with its headroom; nothing shrinks within a
cooldown after something grew; and what did not help is not done again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from packing.advice.actions import Action, ActionKind, PastAction, Timing
from packing.advice.advice import Advice, advise, impossible_advice
from packing.advice.back_pressure import explained
from packing.advice.judging import Judge
from packing.advice.observation import Observation, SymptomKind, observed_profile
from packing.advice.offered import declared_rate
from packing.advice.rate_goal import RateGoal
from packing.advice.sizing import Sizing
from packing.errors import Infeasible, InvalidRequest
from packing.planners import BUILT_IN, Planner
from packing.request import Request
from packing.search.budget import DEFAULT_BUDGET, Budget

WORTH_SHRINKING = 0.2
"""Share of the instances that must become needless for an update that nothing else asks for."""


@dataclass(frozen=True)
class Resolutions:
    """All actions, the chosen one first; none is chosen when nothing is predicted to help."""

    actions: tuple[Action, ...]
    advice: Advice
    rate_per_s: float

    @property
    def chosen(self) -> Action | None:
        """The action to take."""
        return next((action for action in self.actions if action.chosen), None)


def observed_rate(stated_per_s: float, request: Request, observation: Observation) -> float:
    """The rate that is stated, else what was observed allows (`OfferedRate.estimate`).

    Raises InvalidRequest where neither is.
    """
    if stated_per_s:
        return stated_per_s
    running = request.topology
    if request.current is not None:
        running = running.with_parallelism(request.current.parallelism)
    observed = observation.offered_rate(running)
    if observed is None:
        raise InvalidRequest(
            "no rate was stated, and not every spout was observed; state the tuples per second "
            "over all instances of the spouts, or what every spout was observed to emit"
        )
    rate_per_s = observed.estimate(declared_rate(running, request.profile))
    if not rate_per_s:
        raise InvalidRequest(
            "no rate was stated, and the spouts were observed to emit 0 tuples/s, from which "
            "nothing follows; state the tuples per second over all instances of the spouts"
        )
    return rate_per_s


def resolve(  # noqa: PLR0917 - what is known, and how it is answered
    request: Request,
    goal: RateGoal,
    observation: Observation,
    past: Sequence[PastAction] = (),
    timing: Timing | None = None,
    planners: Mapping[str, Planner] = BUILT_IN,
    objective: str = "",
    clock: Callable[[], float] = lambda: 0.0,
    *,
    budget: Budget = DEFAULT_BUDGET,
    load_factors: Sequence[float] = (),
) -> Resolutions:
    """Judge every candidate resolution for the running plan at the goal's rate.

    `request` has the running plan as `current`, and no changes of it. Where instances of the
    advised parallelism find no place, the advice says so as one that is impossible. Raises
    InvalidRequest as `advise` does, and for observations of what does not run.
    """
    current = request.current
    if current is None:
        raise InvalidRequest("resolutions are for a running topology; state its current plan")
    observation.check_names(request.topology, current)
    profile = observed_profile(request.profile, request.topology, current, observation)
    request = replace(request, profile=profile, deltas={}, container_count=None)
    request = explained(request, goal, observation)
    try:
        advice = advise(
            request, goal, planners, objective, clock, load_factors=load_factors, budget=budget
        )
    except Infeasible as error:
        # What needs no other parallelism can be judged all the same.
        advice = impossible_advice(Sizing(request, goal), error, objective, ())
    judge_all = Judge(request, goal, observation, past, timing or Timing(), advice)
    actions = judge_all.actions()
    wasteful = any(s.kind is SymptomKind.OVER_PROVISIONED for s in observation.symptoms)
    chosen = _cheapest(actions, current.parallelism, wasteful)
    told = [replace(a, chosen=a is chosen, reasons=(*a.reasons, *_why(a, chosen))) for a in actions]
    told.sort(key=lambda action: not action.chosen)
    return Resolutions(tuple(told), advice, goal.rate_per_s)


def _cheapest(
    actions: Sequence[Action], running: Mapping[str, int], wasteful: bool
) -> Action | None:
    """Of those that clear: the least downtime, then the fewest cores, then the fewest restarts.

    While the running plan will do, only what saves enough instances is worth an update.
    """

    def price(action: Action) -> tuple[float, float, float]:
        assert action.prediction is not None
        moved = action.disruption
        restarts = 0.0 if moved is None else moved.restarted_instances + moved.stopped_instances
        return (action.downtime_s, action.prediction.cores, restarts)

    clearing = [action for action in actions if action.clears]
    nothing = next((a for a in clearing if a.kind is ActionKind.DO_NOTHING), None)
    if nothing is None:
        return min(clearing, key=price, default=None)
    total = sum(running.values())
    least = 1 if wasteful else math.ceil(WORTH_SHRINKING * total)
    smaller = [a for a in clearing if total - sum(a.parallelism.values()) >= least]
    return min(smaller, key=lambda a: (sum(a.parallelism.values()), price(a)), default=nothing)


def _why(action: Action, chosen: Action | None) -> tuple[str, ...]:
    if action is chosen and action.kind is ActionKind.DO_NOTHING:
        return ("chosen: nothing is wrong, and nothing that would be saved is worth an update",)
    if action is chosen:
        return ("chosen: the cheapest of those that are predicted to leave nothing wrong",)
    if action.clears and chosen is not None and chosen.kind is ActionKind.DO_NOTHING:
        return ("not chosen: it saves too little for an update",)
    if action.clears and chosen is not None:
        return (f"not chosen: {chosen.description} costs less, or saves more",)
    return ()
