"""States to start from: simple rules that fill containers, and what makes a state feasible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from packing.arrays import Floats, Ints
from packing.search import kernel
from packing.search.kernel import Aim
from packing.search.problem import PackingProblem

REPAIR_STEPS_PER_INSTANCE = 400
REPAIR_STEPS = 20_000
TURNS_LIMIT = 200_000
"""Instances times containers up to which instances are placed one turn of components at a time."""


def by_rules(problem: PackingProblem) -> Iterator[Ints]:
    """States of simple rules, feasible ones only, quickest first.

    First fit decreasing and best fit by the scarcest resource, longest processing time first
    (Graham 1969) by load, most attracted first, and turns through the components from the spouts
    on, each instance to the tightest container, after R-Storm (Peng et al. 2015).
    """
    empty = np.zeros((problem.class_count, problem.container_count), dtype=np.int64)
    by_size, by_load = _by_size(problem), _by_load(problem)
    weight = load_weight(problem)
    for order, rule in (
        (by_load, kernel.LEAST_LOADED),
        (by_size, kernel.MOST_ATTRACTED),
        (by_size, kernel.TIGHTEST),
        (by_size, kernel.FIRST_FIT),
    ):
        state = finished(problem, *kernel.fill(problem, empty, order, rule, weight=weight))
        if state is not None:
            yield state
    if problem.instance_count * problem.container_count <= TURNS_LIMIT:
        turns = _turns(problem)
        rule = kernel.MOST_ATTRACTED
        state = finished(
            problem, *kernel.fill(problem, empty, turns, rule, weight=weight, one_each=True)
        )
        if state is not None:
            yield state


def completed(problem: PackingProblem, partial: Ints) -> Ints | None:
    """A feasible state that keeps most of `partial`, which may lack instances; None if none found.

    What is missing goes where it is attracted most, else where it fits tightest; where neither
    finds room the last containers are emptied and filled again.
    """
    by_size = _by_size(problem)
    weight = load_weight(problem)
    containers = problem.container_count
    for keep in (1.0, 0.9, 0.7, 0.4):
        start = partial.copy()
        start[:, int(np.ceil(containers * keep)) :] = 0
        for rule in (kernel.MOST_ATTRACTED, kernel.TIGHTEST):
            state = finished(problem, *kernel.fill(problem, start, by_size, rule, weight=weight))
            if state is not None:
                return state
    return None


def repaired(problem: PackingProblem, state: Ints, seed: int = 1) -> Ints | None:
    """A feasible state near one that may be over capacity; None if none was found.

    Anneals the squares by which containers are over their limits, in shares of the limits.
    """
    state = occupied(state)
    if problem.feasible(state):
        return state
    limits = np.hstack([problem.capacity, problem.most[:, None].astype(np.float64)])
    needs = np.hstack([problem.needs, np.ones((problem.class_count, 1))])
    finite = np.isfinite(limits).all(axis=0) & (limits > 0).all(axis=0)
    scale = limits[:, finite].max(axis=0)
    shares = needs[:, finite] / scale
    free = replace(
        problem,
        needs=np.zeros((problem.class_count, 0)),
        capacity=np.zeros((problem.container_count, 0)),
        most=np.full(problem.container_count, problem.instance_count),
        load=shares,
        spread=None,
        home=None,
    )
    # Whole numbers divided by their limit need not give a whole: a trillionth is let pass here.
    aim = Aim(0.0, limits[:, finite] / scale * (1 + 1e-12), 1.0)
    step = float(np.square(shares[shares > 0].min())) if (shares > 0).any() else 1.0
    steps = REPAIR_STEPS + REPAIR_STEPS_PER_INSTANCE * problem.instance_count
    found, _ = kernel.anneal(
        free, state, aim, steps, float(np.square(shares.max())), step / 100, seed, target=0.0
    )
    return finished(problem, found, np.zeros(problem.class_count, dtype=np.int64))


def finished(problem: PackingProblem, state: Ints, left: Ints) -> Ints | None:
    """The state with no container empty and components spread as asked; None if not feasible."""
    if left.any():
        return None
    state = occupied(state)
    if problem.spread is not None:
        state = _spread_out(problem, state)
    return state if problem.feasible(state) else None


def occupied(state: Ints) -> Ints:
    """One instance moved into each empty container, from the fullest."""
    held = state.sum(axis=0)
    if held.all():
        return state
    state = state.copy()
    for to in np.flatnonzero(held == 0).tolist():
        source = int(np.argmax(held))
        u = int(np.argmax(state[:, source]))
        state[u, source] -= 1
        state[u, to] += 1
        held[source] -= 1
        held[to] += 1
    return state


def load_weight(problem: PackingProblem) -> Floats:
    """One over all instances' load in each dimension, so that dimensions compare; (L,)."""
    total = problem.supply @ problem.load
    found: Floats = np.divide(1.0, total, out=np.zeros(len(total)), where=total > 0)
    return found


def _by_size(problem: PackingProblem) -> Ints:
    """Classes, those first that take the largest share of what is scarcest."""
    limit = problem.capacity.max(axis=0)
    usable = np.isfinite(limit) & (limit > 0)
    shares = problem.needs[:, usable] / limit[usable]
    largest = shares.max(axis=1) if shares.shape[1] else np.zeros(problem.class_count)
    return np.argsort(-largest, kind="stable")


def _by_load(problem: PackingProblem) -> Ints:
    if not problem.load.shape[1]:
        return _by_size(problem)
    return np.argsort(-(problem.load * load_weight(problem)).max(axis=1), kind="stable")


def _turns(problem: PackingProblem) -> Ints:
    """Each instance's class: one of each in turn, in the order in which traffic reaches them."""
    order = np.array(_reached(problem.traffic), dtype=np.int64)
    turn = np.concatenate([np.arange(count) for count in problem.supply[order].tolist()])
    return np.asarray(np.repeat(order, problem.supply[order])[np.argsort(turn, kind="stable")])


def _reached(traffic: Floats) -> list[int]:
    """Breadth first from the first class on."""
    order: list[int] = []
    for first in range(len(traffic)):
        if first in order:
            continue
        order.append(first)
        for u in order:
            order += [v for v in np.flatnonzero(traffic[u] > 0).tolist() if v not in order]
    return order


def _spread_out(problem: PackingProblem, state: Ints) -> Ints:
    """Exchange one instance of each component that is in one container, where that fits."""
    assert problem.spread is not None
    state = state.copy()
    for component in np.flatnonzero(problem.spread).tolist():
        classes = np.flatnonzero(problem.component_of == component)
        inside = state[classes].sum(axis=0)
        if inside.sum() < 2 or (inside > 0).sum() > 1:
            continue
        at = int(np.argmax(inside))
        u = int(classes[np.argmax(state[classes, at])])
        better = _exchanged(problem, state, u, at)
        if better is not None:
            state = better
    return state


def _exchanged(problem: PackingProblem, state: Ints, u: int, at: int) -> Ints | None:
    """One of u moved out of a container, for nothing or for another class's; None if none fits."""
    for to in range(problem.container_count):
        if to == at:
            continue
        for v in (-1, *np.flatnonzero(state[:, to]).tolist()):
            tried = state.copy()
            tried[u, at] -= 1
            tried[u, to] += 1
            if v >= 0:
                tried[v, to] -= 1
                tried[v, at] += 1
            both = tried[:, [at, to]]
            held = both.sum(axis=0)
            if (
                (held >= 1).all()
                and (held <= problem.most[[at, to]]).all()
                and (both.T @ problem.needs <= problem.capacity[[at, to]]).all()
                and (v < 0 or _stays_spread(problem, tried, v))
            ):
                return tried
    return None


def _stays_spread(problem: PackingProblem, state: Ints, v: int) -> bool:
    assert problem.spread is not None
    component = int(problem.component_of[v])
    inside = state[problem.component_of == component].sum(axis=0)
    return not problem.spread[component] or inside.sum() < 2 or int((inside > 0).sum()) > 1
