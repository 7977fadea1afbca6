"""The search's plans: from the most even load to the least traffic, at one or several counts.

A full container's CPU quota costs more throughput than local tuples save, and how much more depends
on the topology; so the search gives plans from both ends and between, and the model judges them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from packing.arrays import Floats, Ints
from packing.bounds.containers import fewest_containers, relative_sizes
from packing.bounds.instances import instance_sizes
from packing.constraints import MAX_INT
from packing.errors import Infeasible
from packing.goal import Goal
from packing.plan import Plan
from packing.planners.packing_problem import RequestedPack
from packing.planners.repacked import Repacked
from packing.planners.search import LARGEST_STATE, best_counts, search, usual_steps
from packing.planners.search_repack import proposals
from packing.planners.usable_size import hard_limit
from packing.request import Request
from packing.search.budget import Budget
from packing.search.portfolio import ROUNDS, capped, levelled, search_counts
from packing.search.problem import PackingProblem

OVER_FEWEST = (1.0, 1.25, 1.5, 2.0)
"""Numbers of containers that are tried where they are free, over the fewest that hold all."""
OVER_STATED = (0.5, 0.75, 1.5)
"""The same where no size is stated, over the number that the topology suggests."""


class SearchPlans:
    """`search` as a planner of several plans."""

    def __call__(self, request: Request, /) -> Plan:
        """The plan of `search`."""
        return search(request)

    def propose(self, request: Request, goal: Goal, /) -> Iterator[tuple[str, Plan | Repacked]]:
        """At a pack the plan of `search`, then `even`, `traffic`, and `cap-...` between them.

        With a free number of containers also `even@n` and `@n` for others. At an update the answer
        of `search`, with what more moves would have gained, and the others of `search_repack`.
        """
        if request.current is not None:
            yield from proposals(request, goal.enough.load_factor, goal.budget)
            return
        stated = RequestedPack(request)
        if len(stated.classes.component) * stated.containers > LARGEST_STATE:
            yield "", search(request)
            return
        seen: set[bytes] = set()
        for pack in (stated, *_other_counts(request, stated)):
            at = "" if pack is stated else f"@{pack.containers}"
            for label, counts in _states(pack, goal, pack is stated):
                key = counts.tobytes() + bytes(str(counts.shape), "ascii")
                if key not in seen:
                    seen.add(key)
                    yield f"{label}{at}", pack.plan(counts)
                if goal.budget.stop():
                    return


def _states(pack: RequestedPack, goal: Goal, main: bool) -> Iterator[tuple[str, Ints]]:
    """States for one number of containers, with further plans between the extremes for `main`."""
    budget = goal.budget
    usual = usual_steps(pack)
    # More work goes on from what the usual work finds, so that it is never for the worse.
    steps, more = int(usual * min(1.0, budget.steps_factor)), int(usual * budget.steps_factor)
    try:
        first = best_counts(pack, steps).counts
    except Infeasible:
        if main:
            raise
        return
    problem = _roomiest(pack)
    if budget.rounds > 1 and main and problem.feasible(first):
        no_fuller = capped(problem, _fullest(problem, first) + 1e-9)
        first = _further(no_fuller, first, more, budget)
    yield "", first
    level = levelled(problem, None, steps)
    if level is not None:
        yield "even", level
    if not main or budget.stop():
        return
    starts = [first, pack.dealt_counts]
    found = search_counts(problem, starts=starts, steps=steps, stop=budget.stop)
    if found is None:
        return
    free = found.counts if found.optimal else _further(problem, found.counts, more, budget)
    yield "traffic", free
    if level is None:
        return
    low, high = _fullest(problem, level), _fullest(problem, free)
    for place in budget.caps:
        cap = low + place * (high - low)
        if bool((high > low * (1 + 1e-9)).any()) and not budget.stop():
            tight = capped(problem, cap + 1e-9)
            yield f"cap-{place:g}", _further(tight, level, more, budget)


def _further(problem: PackingProblem, state: Ints, steps: int, budget: Budget) -> Ints:
    """The best state for traffic after the budget's further rounds."""
    for turn in range(1, budget.rounds):
        if budget.stop():
            break
        found = search_counts(
            problem, starts=[state], steps=steps, stop=budget.stop, seed=1 + turn * ROUNDS
        )
        state = state if found is None else found.counts
        if found is None or found.optimal:
            break
    return state


def _roomiest(pack: RequestedPack) -> PackingProblem:
    """The problem at the sizes that containers should have, else at those they may have."""
    wanted = pack.problem()
    return wanted if wanted.feasible(pack.dealt_counts) else pack.problem(largest=True)


def _fullest(problem: PackingProblem, counts: Ints) -> Floats:
    return np.asarray(problem.loads(counts).max(axis=0), dtype=np.float64)


def _other_counts(request: Request, stated: RequestedPack) -> Iterator[RequestedPack]:
    """Packs for other numbers of containers, where that is ours to choose."""
    if not request.containers_free:
        return
    limit = hard_limit(request)
    if np.isfinite(limit).any():
        sizes = instance_sizes(request)
        most = request.constraints.max_instances
        relative = relative_sizes(sizes.needs, limit, math.inf if most is None else float(most))
        fewest = fewest_containers(sizes.supply, relative).value
        tried = {math.ceil(min(fewest, MAX_INT) * share - 1e-9) for share in OVER_FEWEST}
    else:
        tried = {max(1, round(stated.containers * share)) for share in OVER_STATED}
    for count in sorted(tried - {stated.containers}):
        if 1 <= count <= request.topology.instance_count:
            yield RequestedPack(request, count)
