"""Updates by search: nobody moves unless that is forced, or carries enough more load."""

from __future__ import annotations

import math
from dataclasses import dataclass

from packing.arrays import Ints
from packing.disruption import GAIN_WORTH_A_RESTART
from packing.errors import Infeasible
from packing.model import predict_counts
from packing.objective import HEADROOM
from packing.plan import Plan
from packing.planners.repacking_problem import RequestedRepack
from packing.request import Request
from packing.search.repack import (
    Judge,
    State,
    Update,
    finds_room,
    knee,
    least_disturbing,
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


@dataclass(frozen=True)
class Step:
    """A point of the curve of gain against moves."""

    moved: int
    """Survivors that change container."""
    moved_share: float
    """Of all survivors."""
    sustainable_load_factor: float | None
    """None where the load is not known."""
    cross_tuples_per_s: float
    """Tuples/s between containers."""
    cross_fraction: float
    """Part of the traffic that is."""


@dataclass(frozen=True)
class Repacked:
    """The answer to an update, with what more moves would have gained."""

    plan: Plan
    least: Plan
    """The one that moves the fewest survivors; `plan` itself where no more moves are worth it."""
    curve: tuple[Step, ...]
    """By rising number of moves, those that carry more than all with fewer; the first is the least
    that can be moved. One point alone where no moves could be worth it, or the load is not known.
    """
    taken: int
    """Which of them `plan` is."""
    reason: str
    """Why that one, in a sentence."""


def repack(request: Request, enough: float = ENOUGH, steps: int | None = None) -> Repacked:
    """Answer an update: the least disturbing plan, or one whose moves are worth it.

    Moves are worth it where the load carried, as far as it is below `enough` times the offered
    one, rises by a twentieth, or by a quarter of the share of survivors that move if that is more.
    `steps` is the annealing effort, by default that of a pack. Raises Infeasible when what starts
    finds no room.
    """
    current = request.current
    assert current is not None
    if request.changes_nothing:
        reason = "the request changes nothing, so the running plan stays as it is"
        return Repacked(current, current, (), 0, reason)
    _refuse_other_set(request)
    requested = RequestedRepack(request)
    judge = _judge(requested)
    update, start = _least(requested, judge, enough)
    states = [start]
    if start.sustained is not None:
        most = min(requested.ceiling, enough)
        if start.sustained * GAIN_WORTH_A_RESTART <= most:
            states += _gaining(update, start, judge, most, steps)
    states = pareto(states)
    survivors = int(update.home.sum()) - sum(number for _, number in update.stops)
    taken = knee(states, survivors, enough, GAIN_WORTH_A_RESTART)
    plan = requested.plan(states[taken].counts)
    while taken and any(v.fatal for v in violations(plan, request)):
        # Sizes that differ more than classes can tell.
        del states[taken]
        taken = knee(states, survivors, enough, GAIN_WORTH_A_RESTART)
        plan = requested.plan(states[taken].counts)
    total = request.prepared.traffic_per_s
    curve = tuple(_step(state, survivors, total) for state in states)
    least = requested.plan(start.counts) if taken else plan
    return Repacked(plan, least, curve, taken, _reason(curve, taken, enough, requested.ceiling))


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


def _least(requested: RequestedRepack, judge: Judge, enough: float) -> tuple[Update, State]:
    """The least disturbing state, with containers added only where they are needed.

    They are needed where what starts finds no room, and where the load is not carried without.
    """
    request, running = requested.request, requested.current.container_count
    wanted = request.container_count
    if wanted is not None or request.scheduler.container_set_fixed:
        added = 0 if wanted is None else max(0, wanted - running)
        closing = 0 if wanted is None else max(0, running - wanted)
        for largest in (False, True):
            for update in ways_to_give_up(requested.update(added, largest), closing):
                state = least_disturbing(update, judge, enough)
                if state is not None:
                    return update, state
        raise _no_room(request, running if wanted is None else wanted)
    most = sum(request.parallelism.values())
    added = _fewest_added(requested, most)
    update = requested.update(added)
    state = least_disturbing(update, judge, enough)
    if state is None:
        raise _no_room(request, running + added)
    even = math.ceil(most * running / requested.current.instance_count) - running
    if judge is not None and even > added:
        return _relieved(requested, judge, enough, added, even, (update, state))
    return update, state


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


def _relieved(  # noqa: PLR0917 - both ends, and what is known of the first
    requested: RequestedRepack,
    judge: Judge,
    enough: float,
    low: int,
    high: int,
    found: tuple[Update, State],
) -> tuple[Update, State]:
    """As few more containers as make the load carried, up to as many as keep them as full as now.

    The same as `found` where they do not carry a twentieth more.
    """

    def carried(state: State) -> float:
        return min(state.sustained or 0.0, enough)

    if carried(found[1]) * GAIN_WORTH_A_RESTART > min(enough, requested.ceiling):
        return found
    update = requested.update(high)
    state = least_disturbing(update, judge, enough)
    if state is None or carried(state) < carried(found[1]) * GAIN_WORTH_A_RESTART:
        return found
    best, goal = (update, state), carried(state) * (1 - 1e-9)
    for _ in range(COUNTS_TRIED):
        if high - low < 2:
            break
        middle = (low + high) // 2
        update = requested.update(middle)
        state = least_disturbing(update, judge, enough)
        if state is not None and carried(state) >= goal:
            best, high = (update, state), middle
        else:
            low = middle
    return best


def _gaining(
    update: Update, start: State, judge: Judge, enough: float, steps: int | None
) -> list[State]:
    """States with more moves, as many as it takes to know what they gain."""
    states: list[State] = []
    for state in with_moves(update, start, judge, steps):
        states.append(state)
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
        f"{what} do not fit into {containers} containers within the containers' size{stated}; "
        "ask for more containers or state a larger size"
    )
