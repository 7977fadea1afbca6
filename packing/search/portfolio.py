"""The search: several states to start from, the best of them improved round by round.

Work is counted in annealing steps, never in time, so that the same request gives the same plan. A
caller that has time gives more of it, or says after which round to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from packing.arrays import Floats, Ints
from packing.search import kernel
from packing.search.configurations import configurations, rounded
from packing.search.kernel import TRAFFIC, Aim, Columns
from packing.search.problem import PackingProblem
from packing.search.starts import by_rules, completed, finished, load_weight, repaired

SMALL = 12
"""Instances up to which all states are looked at."""
EXACT_NODES = 100_000
PROOF_NODES = 0
"""Branch and bound nodes spent on proving the configuration LP; few classes need no more."""
STEPS_AT_ONE = 6_000.0
STEPS_EXPONENT = 0.5
"""Annealing steps of a search that says nothing else: `STEPS_AT_ONE * instances^STEPS_EXPONENT`."""
SCHEDULES = ((0.1, 0.003), (0.03, 0.003), (0.3, 0.003), (0.1, 0.01))
"""First and last temperature of a round, over the largest traffic between two instances; rounds
take them in turn."""
ROUNDS = 4
"""Rounds of the default effort; each gets an equal part of the steps."""
LEVEL_ROUNDS = 6
"""Bisections for the lowest load that the fullest container can have."""
EXACT_LEVEL_ROUNDS = 20
"""The same where each looks at all states."""


@dataclass(frozen=True, eq=False)
class Found:
    """A feasible state and what is known of it."""

    counts: Ints
    """Instances per class and container; (K, C)."""
    worth: float
    """By the aim of the search."""
    columns: Columns | None = None
    """The configuration LP, where one was solved."""
    optimal: bool = False
    """Whether no state is worth more."""


def default_steps(problem: PackingProblem) -> int:
    """Annealing steps of a search for one state that has the time of an answer to itself."""
    return int(STEPS_AT_ONE * problem.instance_count**STEPS_EXPONENT)


def capped(problem: PackingProblem, load_cap: Floats | float) -> PackingProblem:
    """The problem with loads as hard dimensions; `load_cap` is broadcast to (C, L)."""
    loads = (problem.container_count, problem.load.shape[1])
    caps = np.broadcast_to(np.asarray(load_cap, dtype=np.float64), loads)
    return replace(
        problem,
        needs=np.hstack([problem.needs, problem.load]),
        capacity=np.hstack([problem.capacity, caps]),
    )


def search_counts(
    problem: PackingProblem,
    aim: Aim = TRAFFIC,
    starts: Iterable[Ints] = (),
    *,
    steps: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    seed: int = 1,
) -> Found | None:
    """The best state found for `aim`; None where no feasible one was found.

    `starts` are states (K, C) to try beside our own; those that are not feasible are repaired if
    nothing else is. `steps` is the annealing effort, by default one that suits the size.
    """
    last = None
    for last in improvements(problem, aim, starts, steps=steps, seed=seed):  # noqa: B007
        if stop():
            break
    return last


def improvements(
    problem: PackingProblem,
    aim: Aim = TRAFFIC,
    starts: Iterable[Ints] = (),
    *,
    steps: int | None = None,
    seed: int = 1,
) -> Iterator[Found]:
    """The best state so far, after the starts and after each round; none if none is feasible."""
    given = list(starts)
    columns, states = _starts(problem, given)
    if not states:
        return
    worth = [kernel.value(problem, state, aim) for state in states]
    order = np.argsort(worth, kind="stable")[::-1]
    best, best_worth = states[order[0]], worth[order[0]]
    yield Found(best, best_worth, columns)
    total = default_steps(problem) if steps is None else steps
    scale = _scale(problem, aim)
    if not scale or not total:
        return
    if problem.instance_count <= SMALL:
        state, worth_now, proved = kernel.exact(problem, aim, EXACT_NODES, best)
        if state is not None:
            best, best_worth = state, worth_now
        yield Found(best, best_worth, columns, proved)
        if proved:
            return
    for turn in range(ROUNDS):
        hot, cold = SCHEDULES[turn % len(SCHEDULES)]
        state, worth_now = kernel.anneal(
            problem, best, aim, total // ROUNDS, hot * scale, cold * scale, seed + turn
        )
        if worth_now > best_worth:
            best, best_worth = state, worth_now
        yield Found(best, best_worth, columns)


def levelled(
    problem: PackingProblem, start: Ints | None = None, steps: int | None = None
) -> Ints | None:
    """A state whose fullest container is loaded as little as was found; None if none is feasible.

    Loads count as shares of the total in each dimension, and the worst dimension counts. Longest
    processing time first, then bisection: containers above a level are penalised by the square.
    """
    weight = load_weight(problem)
    states = [] if start is None else [start]
    states += by_rules(problem)
    shares = replace(problem, load=problem.load * weight, home=None)
    if not states:
        return None
    best = min(states, key=lambda state: float(shares.loads(state).max(initial=0.0)))
    high = float(shares.loads(best).max(initial=0.0))
    low = max(1.0 / problem.container_count, float(shares.load.max(initial=0.0)))
    total = default_steps(problem) if steps is None else steps
    item = float(shares.load.max(initial=0.0)) ** 2
    small = problem.instance_count <= SMALL
    for turn in range(EXACT_LEVEL_ROUNDS if small else LEVEL_ROUNDS):
        if high <= low * (1 + 1e-9) or not item:
            break
        level = low if turn == 0 else (low + high) / 2
        aim = Aim(0.0, level, 1.0)
        if small:
            state, worth, _ = kernel.exact(shares, aim, EXACT_NODES, best)
            assert state is not None
        else:
            state, worth = kernel.anneal(
                shares, best, aim, total // LEVEL_ROUNDS, item, item / 1000, turn + 1, target=0.0
            )
        reached = float(shares.loads(state).max())
        if reached < high:
            best, high = state, reached
        if worth < 0:
            low = level
    return best


def front(
    problem: PackingProblem,
    rungs: int = 5,
    starts: Iterable[Ints] = (),
    *,
    steps: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Found]:
    """States from the most level to the one that keeps most traffic, by caps on the load.

    The caps lie between the lowest load found for the fullest container and the load that the
    traffic optimum has, in equal steps. The first is level by load alone; it stays although the
    second is often as level with less traffic, because plans are judged by more than these two.
    Needs exactly one soft dimension.
    """
    given = list(starts)
    total = default_steps(problem) if steps is None else steps
    free = search_counts(problem, TRAFFIC, given, steps=total // rungs, stop=stop)
    if free is None:
        return []
    level = levelled(problem, None, total // rungs)
    if level is None or not problem.load.any():
        return [free]
    low = float(problem.loads(level).max())
    high = float(problem.loads(free.counts).max())
    found = [Found(level, problem.local_traffic(level))]
    # The level state itself, the caps between, and the free one.
    for cap in np.linspace(low, high, rungs)[:-1].tolist():
        if stop() or high <= low * (1 + 1e-9):
            break
        tight = capped(problem, cap * (1 + 1e-9))
        best = search_counts(tight, TRAFFIC, [level, *given], steps=total // rungs, stop=stop)
        if best is not None:
            found.append(best)
    return [*found, free]


def _starts(problem: PackingProblem, given: list[Ints]) -> tuple[Columns | None, list[Ints]]:
    """The configuration LP and feasible states."""
    none_left = np.zeros(problem.class_count, dtype=np.int64)
    states = [state for state in given if problem.feasible(state)]
    columns = None
    if problem.home is None:
        known = [state.T for state in states]
        contents = np.unique(np.concatenate(known), axis=0) if known else None
        columns = configurations(problem, contents, PROOF_NODES)
        if columns is not None:
            state = completed(problem, rounded(problem, columns))
            if state is not None:
                states.append(state)
    if not states:
        states = list(by_rules(problem))
    for state in given:
        if states:
            break
        mended = repaired(problem, state)
        states += [] if mended is None else [mended]
    if not states:
        states += _anyhow(problem)
    return columns, [s for s in states if finished(problem, s, none_left) is not None]


def _anyhow(problem: PackingProblem) -> list[Ints]:
    """Instances dealt in turn, then repaired."""
    dealt = np.zeros((problem.class_count, problem.container_count), dtype=np.int64)
    classes = np.repeat(np.arange(problem.class_count), problem.supply)
    np.add.at(dealt, (classes, np.arange(len(classes)) % problem.container_count), 1)
    if problem.instance_count < problem.container_count:
        return []
    if problem.instance_count <= SMALL:
        state, _, _ = kernel.exact(problem, TRAFFIC, EXACT_NODES)
        return [] if state is None else [state]
    mended = repaired(problem, dealt)
    return [] if mended is None else [mended]


def _scale(problem: PackingProblem, aim: Aim) -> float:
    """The largest that one pair of instances adds to a state's worth."""
    most = float(problem.traffic.max(initial=0.0)) * aim.local_weight
    penalty = np.broadcast_to(np.asarray(aim.penalty, dtype=float), problem.load.shape[1:])
    if len(penalty):
        step = penalty * np.square(problem.load.max(axis=0, initial=0.0))
        most = max(most, float(step.max())) if math.isfinite(float(step.max())) else most
    return most
