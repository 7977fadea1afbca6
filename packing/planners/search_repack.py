"""Updates by search: nobody moves unless that is forced, or carries enough more load."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

from packing.arrays import Ints
from packing.disruption import GAIN_WORTH_A_RESTART
from packing.errors import Infeasible
from packing.model import predict_counts
from packing.objective import HEADROOM
from packing.plan import Plan
from packing.planners.repacked import Repacked, Step
from packing.planners.repacking_problem import RequestedRepack, Room
from packing.request import Request
from packing.resources import counted
from packing.search.budget import DEFAULT_BUDGET, Budget
from packing.search.repack import (
    Judge,
    State,
    Update,
    best_of,
    finds_room,
    knee,
    least_disturbing,
    most_local,
    pareto,
    ways_to_give_up,
    with_moves,
)
from packing.validation import violations

ENOUGH = 1.0 + HEADROOM
"""Load factor beyond which more is worth no restart."""
COUNTS_TRIED = 3
"""Numbers of added containers that are tried between those that must be and those that may."""
FIRST_LOOKS = 2
"""States with moves after which it is clear whether any gain."""


def repack(request: Request, enough: float = ENOUGH, budget: Budget = DEFAULT_BUDGET) -> Repacked:
    """Answer an update: the least disturbing plan, or one whose moves are worth it.

    Moves are worth it where the load carried, as far as it is below `enough` times the offered
    one, rises by a twentieth, or by a quarter of the share of survivors that move if that is more.
    Raises Infeasible when what starts finds no room.
    """
    if request.changes_nothing:
        assert request.current is not None
        reason = "the request changes nothing, so the running plan stays as it is"
        return Repacked(request.current, request.current, (), 0, reason)
    return _Answer(request, enough, budget).repacked


def proposals(
    request: Request, enough: float = ENOUGH, budget: Budget = DEFAULT_BUDGET
) -> Iterator[tuple[str, Plan | Repacked]]:
    """All that an update may be answered with, by name: "" for the answer of `repack`.

    Beside it `least`, which moves the fewest survivors, and `local`, which of those that move so
    few keeps most traffic inside containers; where they differ from what came before.
    """
    if request.changes_nothing:
        yield "", repack(request)
        return
    answer = _Answer(request, enough, budget)
    found = answer.repacked
    yield "", found
    if found.taken:
        yield "least", found.least
    if answer.most_local is not answer.start:
        yield "local", answer.requested.plan(answer.most_local.counts)


class _Answer:
    """The states that an update may lead to, and which is taken."""

    def __init__(self, request: Request, enough: float, budget: Budget) -> None:
        _refuse_other_set(request)
        self.requested = RequestedRepack(request)
        self._enough = enough
        judge = _judge(self.requested)
        update, states = _least(self.requested, judge, enough)
        self.start = best_of(states, enough)
        self.most_local = most_local(states)
        if self.most_local.local_per_s <= self.start.local_per_s * (1 + 1e-9):
            self.most_local = self.start
        self._states = [self.start]
        if self.start.sustained is not None:
            most = min(self.requested.ceiling, enough)
            if self.start.sustained * GAIN_WORTH_A_RESTART <= most:
                self._states += _gaining(update, self.start, judge, most, budget)
        self._states = pareto(self._states)
        self._survivors = int(update.home.sum()) - sum(number for _, number in update.stops)

    @cached_property
    def repacked(self) -> Repacked:
        """The answer."""
        requested, states = self.requested, self._states
        least = plan = requested.plan(states[0].counts)
        taken = self._knee()
        tolerated = {v.rule for v in violations(least, requested.request)} if taken else set()
        while taken:
            plan = requested.plan(states[taken].counts)
            if {v.rule for v in violations(plan, requested.request)} <= tolerated:
                break
            # Sizes that differ more than classes can tell.
            del states[taken]
            taken, plan = self._knee(), least
        total = requested.request.prepared.traffic_per_s
        curve = tuple(_step(state, self._survivors, total) for state in states)
        reason = _reason(curve, taken, self._enough, requested.ceiling)
        return Repacked(plan, least, curve, taken, reason)

    def _knee(self) -> int:
        return knee(self._states, self._survivors, self._enough, GAIN_WORTH_A_RESTART)


def _judge(requested: RequestedRepack) -> Judge:
    """The load factor that the full model predicts for counts; None where it is not known."""
    request = requested.request
    if not request.prepared.known_load:
        return None

    def sustained(counts: Ints) -> float:
        contents = requested.contents(counts)
        found = predict_counts(requested.classes, contents, request.costs, request.runtime)
        factor = found.sustainable_load_factor
        return math.inf if factor is None else factor

    return sustained


def _least(requested: RequestedRepack, judge: Judge, enough: float) -> tuple[Update, list[State]]:
    """The least disturbing states, with containers added only where they are needed.

    They are needed where what starts finds no room, and where the load is not carried without.
    """
    request, running = requested.request, requested.current.container_count
    wanted = request.container_count
    if wanted is not None or request.scheduler.container_set_fixed:
        added = 0 if wanted is None else max(0, wanted - running)
        closing = 0 if wanted is None else max(0, running - wanted)
        for room in Room:
            for update in ways_to_give_up(requested.update(added, room), closing):
                states = least_disturbing(update, judge)
                if states:
                    return update, states
        raise _no_room(request, running if wanted is None else wanted)
    most = sum(request.parallelism.values())
    added = _fewest_added(requested, most)
    update = requested.update(added)
    states = least_disturbing(update, judge)
    if not states:
        raise _no_room(request, running + added)
    usual = min(requested.usually_added(), most - running)
    if judge is not None and usual > added:
        return _relieved(requested, judge, enough, (added, usual), (update, states))
    return update, states


def _fewest_added(requested: RequestedRepack, most: int) -> int:
    """Containers that have to be added so that all finds room; at most as many as instances."""
    running = requested.current.container_count
    if not len(requested.started):
        return 0
    low, high = -1, 0
    while not finds_room(requested.update(high)):
        if running + high >= most:
            return high
        low, high = high, min(2 * high + requested.starting_containers(), max(1, most - running))
    while high - low > 1:
        middle = (low + high) // 2
        if finds_room(requested.update(middle)):
            high = middle
        else:
            low = middle
    return high


def _relieved(
    requested: RequestedRepack,
    judge: Judge,
    enough: float,
    added: tuple[int, int],
    found: tuple[Update, list[State]],
) -> tuple[Update, list[State]]:
    """As few more containers as make the load carried; from as many as must be `added` up to as
    many as usually are.

    The same as `found` where they do not carry a twentieth more.
    """

    def carried(states: list[State]) -> float:
        return max((min(state.sustained or 0.0, enough) for state in states), default=0.0)

    if carried(found[1]) * GAIN_WORTH_A_RESTART > min(enough, requested.ceiling):
        return found
    low, high = added
    update = requested.update(high)
    states = least_disturbing(update, judge)
    if carried(states) < carried(found[1]) * GAIN_WORTH_A_RESTART or not states:
        return found
    best, goal = (update, states), carried(states) * (1 - 1e-9)
    for _ in range(COUNTS_TRIED):
        if high - low < 2:
            break
        middle = (low + high) // 2
        update = requested.update(middle)
        states = least_disturbing(update, judge)
        if carried(states) >= goal:
            best, high = (update, states), middle
        else:
            low = middle
    return best


def _gaining(
    update: Update, start: State, judge: Judge, enough: float, budget: Budget
) -> list[State]:
    """States with more moves, as many as it takes to know what they gain and there is time for."""
    states: list[State] = []
    for state in with_moves(update, start, judge, budget.steps_factor):
        states.append(state)
        if budget.stop():
            break
        if len(states) == FIRST_LOOKS:
            best = max(found.sustained or 0.0 for found in states)
            if min(best, enough) < (start.sustained or 0.0) * GAIN_WORTH_A_RESTART:
                break
    return [state for state in states if state.moves > start.moves]


def _step(state: State, survivors: int, total_per_s: float) -> Step:
    cross = max(0.0, total_per_s - state.local_per_s)
    return Step(
        state.moves,
        state.moves / survivors if survivors else 0.0,
        state.sustained,
        cross,
        cross / total_per_s if total_per_s > 0 else 0.0,
    )


def _reason(curve: tuple[Step, ...], taken: int, enough: float, ceiling: float) -> str:
    """Why this point of the curve. `ceiling` is the load that no placement exceeds."""
    first, chosen = curve[0], curve[taken]
    forced = f"{first.moved} survivors have to move" if first.moved else "no survivor moves"
    if first.sustainable_load_factor is None:
        return f"{forced}: what more moves would gain is not known without rates and service times"
    if taken:
        return (
            f"{chosen.moved} survivors ({chosen.moved_share:.0%}) move, because the load carried "
            f"rises from {first.sustainable_load_factor:.2f} to "
            f"{chosen.sustainable_load_factor:.2f} times the offered one"
        )
    if first.sustainable_load_factor >= enough:
        return (
            f"{forced}: the plan carries {first.sustainable_load_factor:.2f} times the offered "
            f"load, and more than {enough:.2f} is worth no restart"
        )
    if first.sustainable_load_factor * GAIN_WORTH_A_RESTART > ceiling:
        return (
            f"{forced}: the plan carries {first.sustainable_load_factor:.2f} times the offered "
            f"load, and the busiest instance alone limits every placement to {ceiling:.2f}"
        )
    best = curve[-1]
    if best is first:
        return f"{forced}: no state was found that carries more"
    return (
        f"{forced}: moving {best.moved} ({best.moved_share:.0%}) would raise the load carried from "
        f"{first.sustainable_load_factor:.2f} to {best.sustainable_load_factor:.2f} times the "
        "offered one, which is not worth the restarts"
    )


def _refuse_other_set(request: Request) -> None:
    """Raise Infeasible for containers that the scheduler cannot add or remove."""
    current, wanted = request.current, request.container_count
    if current is None or not request.scheduler.container_set_fixed:
        return
    running, instances = current.container_count, sum(request.parallelism.values())
    if wanted is not None and wanted != running:
        raise Infeasible(
            f"{wanted} containers were asked for instead of {running}; the "
            f"{request.scheduler.name} scheduler cannot add or remove containers in an update"
        )
    if instances < running:
        raise Infeasible(
            f"{instances} instances cannot occupy {running} containers, and the "
            f"{request.scheduler.name} scheduler cannot remove containers in an update"
        )


def _no_room(request: Request, containers: int) -> Infeasible:
    starting = sum(delta for delta in request.deltas.values() if delta > 0)
    limit = request.constraints.max_instances
    stated = "" if limit is None else f" and topology.container.max.instances of {limit}"
    what = f"{starting} more instances" if starting else "the instances that have to move"
    return Infeasible(
        f"{what} do not fit into {counted(containers, 'container')} within the containers' "
        f"size{stated}; ask for more containers or state a larger size"
    )
