"""Answer one serialised request: what a worker process runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bridge import __version__, deadline, logs
from bridge.contract import IncompatibleContract, NotOffered
from bridge.conversion import (
    Asked,
    Options,
    advice_to_response,
    advise_from_bytes,
    outcomes_to_response,
    pack_from_bytes,
    predict_from_bytes,
    repack_from_bytes,
    response_from_decision,
)
from bridge.planners import planners_for
from packing.advice import advise
from packing.advice.advice import LOAD_FACTORS
from packing.advice.resolutions import observed_rate, resolve
from packing.choose import choose
from packing.errors import Infeasible, InvalidRequest
from packing.goal import Goal
from packing.model import NO_COSTS, HeronCosts
from packing.objective import (
    DEFAULT_OBJECTIVE,
    HEADROOM,
    PROBABILITY,
    Enough,
    check_objective,
)
from packing.plan import Plan
from packing.profile import UNKNOWN, Profile
from packing.request import Request
from packing.scenario import Outcome, Scenario, predict_scenario
from packing.search.budget import BUDGETS, check_effort
from packing.topology import Topology

__all__ = ["IncompatibleContract", "NotOffered", "answer", "configure"]

_goal = Goal()
_spread_components = False
_profiles_dir: Path | None = None


def configure(
    objective: str = DEFAULT_OBJECTIVE,
    profiles_dir: str | None = None,
    *,
    headroom: float = HEADROOM,
    probability: float = PROBABILITY,
    effort: str = "default",
    spread_components: bool = False,
) -> None:
    """Set this process's defaults: what requests are planned for that do not say, and where
    profiles are. Raises InvalidRequest for what does not exist or cannot be meant."""
    # A worker is configured once, at its start.
    global _goal, _profiles_dir, _spread_components  # noqa: PLW0603
    budget = BUDGETS[check_effort(effort)]
    _goal = Goal(check_objective(objective), Enough(headroom, probability), budget)
    _spread_components = spread_components
    _profiles_dir = None if profiles_dir is None else Path(profiles_dir)


def answer(method: str, request: bytes) -> bytes:
    """The serialised response of `method` to a serialised request.

    Raises packing.errors.PackingError for what the request gets wrong, IncompatibleContract for a
    sender that is too new, NotOffered for methods that are declared but not implemented.
    """
    if method == "Predict":
        return _predict(request)
    if method == "Advise":
        return _advise(request)
    readers: dict[str, Callable[[bytes], Asked]] = {
        "Pack": pack_from_bytes,
        "Repack": repack_from_bytes,
    }
    if method not in readers:
        raise NotOffered(f"{method} is declared in the contract but not offered by this bridge yet")
    started_s = time.perf_counter()
    asked = readers[method](request)
    logs.note(topology=asked.topology.name, **{k: v for k, v in asked.caller.items() if v})
    planning = _request(asked, *_known(asked.options, asked.topology))
    # Of the spouts that will run: at a repack the topology still has those of the submit.
    planning = _at_target(planning, planning.target, asked.options)
    goal = goal_of(asked.options)
    decision = choose(
        planning,
        planners_for(planning),
        asked.heron,
        goal.objective,
        time.perf_counter,
        enough=goal.enough,
        budget=goal.budget,
    )
    logs.note(
        chosen=decision.chosen.planner,
        objective=decision.objective,
        containers=decision.plan.container_count,
        instances=decision.plan.instance_count,
        dry_run=asked.dry_run,
        reason=decision.reasons[0],
    )
    response = response_from_decision(
        decision, time.perf_counter() - started_s, asked.current_plan_sha256, __version__
    )
    return response.SerializeToString()


def _predict(request: bytes) -> bytes:
    """Every plan under every scenario."""
    read = predict_from_bytes(request)
    asked = read.asked
    logs.note(topology=asked.topology.name, **{k: v for k, v in asked.caller.items() if v})
    known, costs = _known(asked.options, asked.topology)
    pack = _request(asked, known, costs)
    own_plan = None
    if not read.plans:
        own_plan = _plan_of(_at_target(pack, pack.topology, asked.options), asked)
    outcomes: list[tuple[int, Scenario, Outcome | Infeasible]] = []
    for index, plan in enumerate(read.plans or (own_plan,)):
        assert plan is not None
        for scenario in read.scenarios:
            # The target rate is that of all spouts that would run.
            running = asked.topology.with_parallelism({**plan.parallelism, **scenario.parallelism})
            try:
                outcome = predict_scenario(scenario, _at_target(pack, running, asked.options), plan)
            except Infeasible as error:
                outcomes.append((index, scenario, error))
            except InvalidRequest as error:
                raise InvalidRequest(f"plan {index}: {error}") from None
            else:
                outcomes.append((index, scenario, outcome))
    logs.note(plans=len(read.plans), scenarios=len(read.scenarios), outcomes=len(outcomes))
    response = outcomes_to_response(outcomes, known.basis(asked.topology), own_plan, __version__)
    return response.SerializeToString()


def _advise(request: bytes) -> bytes:
    """The smallest parallelism for a rate; with a running plan what to do about it, too."""
    started_s = time.perf_counter()
    read = advise_from_bytes(request)
    asked = read.asked
    logs.note(topology=asked.topology.name, **{k: v for k, v in asked.caller.items() if v})
    from bridge.heron_costs import shipped_costs  # noqa: PLC0415 - see _known

    known, _ = _known(asked.options, asked.topology)
    # How many containers there are is part of the advice.
    running = replace(_request(asked, known, shipped_costs().costs), containers_free=False)
    wanted = goal_of(asked.options)
    planners = planners_for(running)
    resolutions = None
    if asked.current is None:
        advice = advise(
            running,
            read.goal(read.rate_per_s),
            planners,
            wanted.objective,
            time.perf_counter,
            budget=wanted.budget,
        )
    else:
        rate_per_s = observed_rate(read.rate_per_s, running, read.observation)
        resolutions = resolve(
            running,
            read.goal(rate_per_s),
            read.observation,
            read.past,
            read.timing,
            planners,
            wanted.objective,
            time.perf_counter,
            budget=wanted.budget,
            load_factors=LOAD_FACTORS,
        )
        advice = resolutions.advice
    chosen = None if resolutions is None else resolutions.chosen
    logs.note(
        rate_per_s=advice.goal.rate_per_s,
        parallelism=dict(advice.parallelism),
        chosen="" if chosen is None else chosen.description,
        reason=advice.reasons[0],
    )
    response = advice_to_response(
        advice, resolutions, wanted.enough, time.perf_counter() - started_s, __version__
    )
    return response.SerializeToString()


def _request(asked: Asked, profile: Profile, costs: HeronCosts) -> Request:
    """What is asked, with what is known of the load and of Heron's own code."""
    return Request(
        asked.topology,
        asked.constraints,
        asked.scheduler,
        asked.current,
        asked.deltas,
        asked.container_count,
        profile,
        costs,
        containers_free=asked.options.containers_free,
        spread_components=_spread(asked.options),
    )


def _plan_of(request: Request, asked: Asked) -> Plan:
    """What would run: Heron's own plan where the request brought it, else the one we would give."""
    if asked.heron is not None and asked.heron.plan is not None:
        return asked.heron.plan
    goal = goal_of(asked.options)
    return choose(
        request,
        planners_for(request),
        None,
        goal.objective,
        enough=goal.enough,
        budget=goal.budget,
    ).plan


def goal_of(options: Options) -> Goal:
    """What a request is planned for: what it says, else what this process was configured for.

    The search ends early when the request's time is nearly over. Raises InvalidRequest.
    """
    enough = _goal.enough
    if options.headroom is not None:
        enough = replace(enough, headroom=options.headroom)
    if options.probability is not None:
        enough = replace(enough, probability=options.probability)
    budget = BUDGETS[check_effort(options.effort)] if options.effort else _goal.budget
    return Goal(
        check_objective(options.objective) if options.objective else _goal.objective,
        enough,
        budget.until(deadline.nearly_over()),
    )


def _spread(options: Options) -> bool:
    stated = options.spread_components
    return _spread_components if stated is None else stated


def _known(options: Options, topology: Topology) -> tuple[Profile, HeronCosts]:
    """What is known of the load, and what Heron's own code costs where anything is."""
    if _profiles_dir is None and not options.profile and not options.target_rate_per_s:
        return UNKNOWN, NO_COSTS
    # Reading files takes a library that a bridge without profiles need not load.
    from bridge.heron_costs import shipped_costs  # noqa: PLC0415
    from bridge.profiles import find_profile  # noqa: PLC0415

    return find_profile(options.profile, topology, _profiles_dir), shipped_costs().costs


def _at_target(request: Request, running: Topology, options: Options) -> Request:
    """The request with the rates that make up the target rate, if one is stated."""
    if not options.target_rate_per_s:
        return request
    from bridge.profiles import at_rate  # noqa: PLC0415 - see _known

    return replace(request, profile=at_rate(request.profile, running, options.target_rate_per_s))
