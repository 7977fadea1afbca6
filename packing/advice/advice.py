"""Advice: the smallest parallelism and a plan for a rate, what it costs, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from packing.advice.key_moves import KeyMove, fresh_task_ids, key_moves, task_ids
from packing.advice.rate_goal import RateGoal
from packing.advice.sizing import Sizing
from packing.advice.thread_bounds import NoParallelismHelps
from packing.advice.trial import Trial
from packing.choose import Candidate, HeronPlan, choose
from packing.disruption import Disruption, disruption
from packing.errors import Infeasible, PackingError
from packing.key_skew import KeyWeights, percent, useful_parallelism
from packing.model import Prediction
from packing.model.uncertainty import Intervals
from packing.objective import Enough, check_objective
from packing.plan import Plan
from packing.planners import BUILT_IN, Planner
from packing.profile import Basis, stream_key
from packing.request import Request
from packing.search.budget import DEFAULT_BUDGET, Budget
from packing.topology import Grouping, Kind

LOAD_FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Of the rate asked for, at which the cost is shown."""
MOST_TRIED_FOR_STEP = 40
"""Plans for each of them."""
HIGHEST_WIDTH = 0.01
"""Relative width at which the search for the highest possible rate ends."""
HIGHEST_ROUNDS = 15
FIRST_LOWER = 0.9
"""Of the bound, where that search begins; each step further down is the square of the last."""
EVEN_CHANCE = 0.5
"""What plans are ranked by where no probability is asked for."""
FOUND = "advice"
"""Name of the plan that the search for the parallelism found."""


@dataclass(frozen=True)
class LoadStep:
    """What another load would take."""

    load_factor: float
    rate_per_s: float
    parallelism: Mapping[str, int]
    """Empty where it is impossible."""
    containers: int = 0
    cores: float = 0.0
    ram_bytes: int = 0
    impossible: str = ""


@dataclass(frozen=True)
class Advice:
    """The smallest parallelism with a plan, or why there is none."""

    goal: RateGoal
    running: Mapping[str, int]
    """Parallelism that runs, or that the topology states where nothing runs."""
    parallelism: Mapping[str, int]
    """Empty where no parallelism carries the rate, as are all that follow."""
    plan: Plan | None
    prediction: Prediction | None
    intervals: Intervals | None
    probability: float
    """That the plan carries the rate."""
    disruption: Disruption | None
    """From the running plan to this one."""
    planner: str
    candidates: tuple[Candidate, ...]
    steps: tuple[LoadStep, ...]
    key_moves: tuple[KeyMove, ...]
    reasons: tuple[str, ...]
    basis: tuple[Basis, ...]
    objective: str
    impossible: str = ""
    """Which limit no parallelism removes; empty where there is a plan."""
    highest_rate_per_s: float | None = None
    """What is possible with the headroom and the rest asked for, where the rate is not; None where
    it is not the rate that is impossible."""


def advise(
    request: Request,
    goal: RateGoal,
    planners: Mapping[str, Planner] = BUILT_IN,
    objective: str = "",
    clock: Callable[[], float] = lambda: 0.0,
    *,
    load_factors: Sequence[float] = LOAD_FACTORS,
    budget: Budget = DEFAULT_BUDGET,
    done: Callable[[str], None] = lambda _: None,
) -> Advice:
    """The smallest parallelism per component, with a plan, that carries the goal's rate.

    `request` gives topology, constraints, scheduler, load and costs; with a current plan the answer
    is an update of it, up or down. The rate is split over the spouts in the profile's proportion.
    Spouts keep their parallelism, which their sources decide, unless their own threads are too
    weak. Within the smallest parallelism `choose` decides about the plan, among those that hold and
    take no more containers and cores than it must. `done` hears of every step.

    A rate that no parallelism carries is an answer too: `impossible` says which limit it is, and
    `highest_rate_per_s` what is possible. Raises InvalidRequest where service times are not known
    or names and numbers do not fit, Infeasible where instances find no place in the containers.
    """
    objective = check_objective(objective)
    sizing = Sizing(request, goal, budget.stop)
    try:
        found = sizing.smallest()
    except NoParallelismHelps as error:
        return impossible_advice(sizing, error, objective, load_factors)
    done("smallest parallelism")
    chosen, candidates = _chosen(found, planners, objective, clock, budget)
    done("plans")
    plan, prediction = chosen.candidate.plan, chosen.candidate.prediction
    assert plan is not None and prediction is not None
    parallelism = chosen.parallelism
    return Advice(
        goal=goal,
        running=sizing.running,
        parallelism=parallelism,
        plan=plan,
        prediction=prediction,
        intervals=chosen.intervals,
        probability=chosen.probability,
        disruption=None if request.current is None else disruption(plan, request.current),
        planner=chosen.candidate.planner,
        candidates=candidates,
        steps=_steps(sizing, chosen, load_factors, done),
        key_moves=_key_moves(sizing, chosen),
        reasons=tuple(_reasons(sizing, chosen)),
        basis=chosen.request.profile.basis(request.topology),
        objective=objective,
    )


def _chosen(
    found: Trial,
    planners: Mapping[str, Planner],
    objective: str,
    clock: Callable[[], float],
    budget: Budget,
) -> tuple[Trial, tuple[Candidate, ...]]:
    """The best plan at the parallelism found, of those that hold and cost no more."""
    request, goal = found.request, found.goal
    own = replace(found.candidate, planner=FOUND)
    assert own.plan is not None and own.prediction is not None
    if request.changes_nothing:
        return found, (found.candidate,)
    if request.current is not None and request.container_count is None:
        # All planners answer for the same containers.
        request = replace(request, container_count=own.plan.container_count)
    enough = Enough(goal.load_factor - 1.0, goal.demanded_probability or EVEN_CHANCE)
    decision = choose(
        request, planners, HeronPlan(own.plan, name=FOUND), objective, clock, enough=enough,
        budget=budget,
    )  # fmt: skip
    for candidate in (decision.chosen, *decision.candidates):
        predicted = candidate.prediction
        if predicted is None or not candidate.usable:
            continue
        cheap = predicted.cores <= own.prediction.cores * (1 + 1e-9)
        trial = replace(found, request=request, candidate=candidate)
        if cheap and predicted.containers <= own.prediction.containers and trial.holds:
            return trial, decision.candidates
    return replace(found, candidate=own), decision.candidates


def _steps(
    sizing: Sizing, chosen: Trial, load_factors: Sequence[float], done: Callable[[str], None]
) -> tuple[LoadStep, ...]:
    found: dict[float, LoadStep] = {}
    higher: Mapping[str, int] = {}
    for factor in sorted(load_factors, reverse=True):
        if factor == 1.0:
            found[factor] = _step_of(chosen, 1.0)
        elif not sizing.stop():
            found[factor] = load_step(sizing, factor, higher)
        if factor in found:
            higher = found[factor].parallelism or higher
        done(f"{factor:g} times the rate")
    return tuple(found[factor] for factor in load_factors if factor in found)


def load_step(sizing: Sizing, factor: float, higher: Mapping[str, int] | None = None) -> LoadStep:
    """What `factor` times the rate would take.

    Where few tries find more instances than a `higher` load takes, or none, it is those.
    """
    rate_per_s = factor * sizing.goal.rate_per_s
    other = sizing.at(replace(sizing.goal, rate_per_s=rate_per_s), MOST_TRIED_FOR_STEP)
    try:
        trial = other.smallest()
    except PackingError as error:
        step, total = LoadStep(factor, rate_per_s, {}, impossible=str(error)), math.inf
    else:
        step, total = _step_of(trial, factor), sum(trial.parallelism.values())
    if not higher or sum(higher.values()) >= total:
        return step
    try:
        less = other.plans.best(higher)
    except PackingError:
        return step
    return _step_of(less, factor) if less.holds else step


def _step_of(trial: Trial, factor: float) -> LoadStep:
    prediction = trial.candidate.prediction
    assert prediction is not None
    return LoadStep(
        factor,
        trial.goal.rate_per_s,
        trial.parallelism,
        prediction.containers,
        prediction.cores,
        prediction.ram_bytes,
    )


def impossible_advice(
    sizing: Sizing, error: Infeasible, objective: str, load_factors: Sequence[float]
) -> Advice:
    """Why there is no plan, as advice."""
    highest = None
    if isinstance(error, NoParallelismHelps) and math.isfinite(error.factor):
        # Without a factor it is not the load that is too high.
        highest = highest_rate(sizing, error.factor)
    reasons = [str(error)]
    if highest:
        reasons.append(f"at most {highest:,.0f} tuples/s are possible with the headroom asked for")
    return Advice(
        goal=sizing.goal,
        running=sizing.running,
        parallelism={},
        plan=None,
        prediction=None,
        intervals=None,
        probability=0.0,
        disruption=None,
        planner="",
        candidates=(),
        steps=tuple(load_step(sizing, factor) for factor in load_factors if factor < 1.0),
        key_moves=(),
        reasons=tuple(reasons),
        basis=sizing.request.profile.basis(sizing.request.topology),
        objective=objective,
        impossible=str(error),
        highest_rate_per_s=highest,
    )


def highest_rate(sizing: Sizing, bound: float) -> float:
    """The highest rate that some parallelism carries, below `bound` times the one asked for.

    0 where none was found.
    """
    asked = sizing.goal.rate_per_s

    def holds(factor: float) -> bool:
        if sizing.stop():
            return False
        try:
            sizing.at(replace(sizing.goal, rate_per_s=factor * asked)).smallest()
        except PackingError:
            return False
        return True

    high = min(1.0, bound)
    if holds(high * (1 - 1e-6)):
        return high * (1 - 1e-6) * asked
    low, lower = 0.0, FIRST_LOWER
    for _ in range(HIGHEST_ROUNDS):
        if high - low <= HIGHEST_WIDTH * high:
            break
        # What is carried is mostly a little less than the bound, but it may be far less.
        middle = (low + high) / 2 if low else high * lower
        if holds(middle):
            low = middle
        else:
            high, lower = middle, lower**2
    return low * asked


def _reasons(sizing: Sizing, chosen: Trial) -> list[str]:
    """Why these numbers, in sentences for the person who deploys them."""
    goal, prediction = sizing.goal, chosen.candidate.prediction
    assert prediction is not None
    reasons = [_changed(sizing.running, chosen.parallelism, sizing.request.current is not None)]
    reasons += _needs(sizing, chosen)
    carried = "any load" if math.isinf(chosen.carried) else f"{chosen.carried:.2f} times the rate"
    limit = f"; {chosen.limits[0].name} limits it" if chosen.limits else ""
    reasons.append(
        f"the plan carries {carried}, {goal.load_factor:.2f} are asked for with a headroom of "
        f"{goal.headroom:.0%}{limit}"
    )
    reasons.append(_likely(chosen))
    if goal.latency_p99_limit_s is not None:
        reasons.append(
            f"latency {1000 * chosen.latency_p99_s:.3g} ms (99th percentile), at most "
            f"{1000 * goal.latency_p99_limit_s:.3g} are asked for"
        )
    reasons += _skewed(chosen)
    reasons += _moved(sizing.request, chosen)
    moves = _key_moves(sizing, chosen)
    # The streams of one component move alike.
    for m in {move.component: move for move in moves}.values():
        reasons.append(
            f"from {m.before} to {m.after} instances of {m.component}, {m.moved_share:.0%} of its "
            "keys go to another instance, which does not have the state kept for them"
        )
    return reasons


def _changed(running: Mapping[str, int], advised: Mapping[str, int], runs: bool) -> str:
    now = "running" if runs else "stated"
    changes = [
        f"{name} from {running[name]} to {n}" for name, n in advised.items() if n != running[name]
    ]
    if not changes:
        return f"the parallelism {now} is the smallest that carries the rate"
    return f"against the parallelism {now}: {', '.join(changes)}"


def _needs(sizing: Sizing, chosen: Trial) -> list[str]:
    """What decides the number of instances, component by component."""
    prepared, bounds = chosen.request.prepared, sizing.bounds(likelihood=0.0)
    goal = sizing.goal
    asked = ["the probability"] if goal.demanded_probability else []
    asked += ["the latency"] if goal.latency_p99_limit_s is not None else []
    beyond = f"{' and '.join(asked)} asked for" if asked else "what else limits the plan"
    told = []
    for v, component in enumerate(sizing.request.topology.components):
        name, n = component.name, chosen.parallelism[component.name]
        rate = float(prepared.rates.input_per_s[v])
        what = "emits" if component.kind is Kind.SPOUT else "executes"
        each = f"{name} {what} {rate:,.0f} tuples/s"
        if component.kind is Kind.SPOUT and n == sizing.least[name]:
            enough = "1 instance is" if n == 1 else f"{n} instances are"
            told.append(f"{each}: {enough} enough")
        elif n == bounds[name]:
            fewer = "one thread keeps" if n == 1 else f"fewer than {n} threads would not keep"
            told.append(f"{each}: {fewer} up with the headroom")
        else:
            told.append(f"{each}: threads alone would need {bounds[name]}, {n} are for {beyond}")
    return told


def _key_moves(sizing: Sizing, chosen: Trial) -> tuple[KeyMove, ...]:
    current, plan = sizing.request.current, chosen.candidate.plan
    if current is None or plan is None:
        before, after = fresh_task_ids(sizing.running), fresh_task_ids(chosen.parallelism)
        return key_moves(sizing.request.topology, before, after)
    return key_moves(sizing.request.topology, task_ids(current), task_ids(plan))


def _moved(request: Request, chosen: Trial) -> list[str]:
    """What the update touches."""
    plan = chosen.candidate.plan
    if request.current is None or plan is None:
        return []
    moved = disruption(plan, request.current)
    return [
        f"{moved.restarted_instances} of {moved.survivors} surviving instances restart, "
        f"{moved.started_instances} start, {moved.stopped_instances} stop"
    ]


def _likely(chosen: Trial) -> str:
    sentence = f"it carries the rate with probability {chosen.probability:.2f}"
    if chosen.intervals is None:
        return sentence
    spread = chosen.intervals.sustainable_load_factor
    unlikely = ""
    if not chosen.goal.demanded_probability and chosen.probability < EVEN_CHANCE:
        unlikely = "; ask for a probability to be surer, or measure what is only declared"
    return (
        f"{sentence}, going by how exactly the numbers are known: {spread.low:.2f} to "
        f"{spread.high:.2f} times the rate, {spread.level:.0%} of what may be{unlikely}"
    )


def _skewed(chosen: Trial) -> list[str]:
    """Where one key keeps more instances from helping."""
    told = []
    for stream in chosen.request.topology.streams:
        weights = chosen.request.profile.key_weights.get(stream_key(stream))
        if stream.grouping is not Grouping.FIELDS or not isinstance(weights, KeyWeights):
            continue
        key, share = weights.hottest()
        most = useful_parallelism(share)
        if most is not None and chosen.parallelism[stream.target] >= most:
            told.append(
                f"key {key!r} carries {percent(share)} of {stream}: however many instances of "
                f"{stream.target} there are, one gets at least that much"
            )
    return told


def infeasible(advice: Advice) -> Infeasible:
    """The sentence of impossible advice as an error, for callers that want a plan or nothing."""
    highest = advice.highest_rate_per_s
    possible = f"; at most {highest:,.0f} tuples/s are possible" if highest else ""
    return Infeasible(f"{advice.impossible}{possible}")
