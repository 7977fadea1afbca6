"""The configuration LP: which contents of a container, and how often each, keep most traffic.

A column is what one container may hold, so the LP has a row per class and one for the number of
containers, however many instances there are (Gilmore and Gomory 1961, with the traffic kept as
value). Whole multiples of its columns are most of a plan, and its dual bounds every plan.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from packing.arrays import Ints
from packing.search import kernel
from packing.search.kernel import Columns
from packing.search.problem import PackingProblem

MOST_CLASSES = 48
"""Beyond, pricing columns takes longer than they are worth."""
ROUNDS = 400
"""Pivots and pricings; far more than a few dozen classes need."""
DIVES = 5
"""Times the LP of what is left is solved while rounding."""


def configurations(
    problem: PackingProblem, known: Ints | None = None, nodes: int = 0
) -> Columns | None:
    """The LP's solution; None for containers that differ or too many classes.

    `known` are contents to begin with, (n, K); they must be feasible. `nodes` bounds the search
    for a proof that no content was missed, without which `Columns.gap` is infinite.
    """
    if not problem.uniform or problem.class_count > MOST_CLASSES:
        return None
    given = np.zeros((0, problem.class_count), dtype=np.int64) if known is None else known
    return kernel.configurations(problem, given, ROUNDS, nodes)


def rounded(problem: PackingProblem, columns: Columns) -> Ints:
    """Whole contents after the LP's solution: counts (K, C) that may lack instances.

    Whole multiples are taken, then the LP of what is left is solved again, and where nothing is
    whole the contents with the largest fractions are taken that what is left allows.
    """
    k, containers = problem.class_count, problem.container_count
    left, free = problem.supply.copy(), containers
    filled = np.zeros((k, containers), dtype=np.int64)
    for dive in range(DIVES):
        taken = 0
        by_fraction = np.argsort(columns.times % 1.0, kind="stable")[::-1]
        for whole in (True, False):
            for i in range(len(columns.times)) if whole else by_fraction.tolist():
                content = columns.contents[i]
                times = int(columns.times[i] + 1e-6) if whole else 1
                if not whole and (dive + 1 < DIVES and taken and columns.times[i] % 1.0 < 0.5):
                    continue
                times = min(times, free, _fits(content, left))
                # What is left must have an instance for each container that is left.
                while times and int((left - times * content).sum()) < free - times:
                    times -= 1
                at = containers - free
                filled[:, at : at + times] = content[:, None]
                left = left - times * content
                free -= times
                taken += times
        if not free or not left.any() or not taken or dive + 1 == DIVES:
            break
        some = np.flatnonzero(left)
        known = columns.contents[:, some][
            (columns.contents <= left).all(axis=1) & columns.contents[:, some].any(axis=1)
        ]
        rest = replace(
            problem,
            traffic=problem.traffic[np.ix_(some, some)],
            supply=left[some],
            needs=problem.needs[some],
            capacity=problem.capacity[:free],
            most=problem.most[:free],
            load=problem.load[some],
            component_of=problem.component_of[some],
        )
        solved = kernel.configurations(rest, known, ROUNDS, 0)
        contents = np.zeros((len(solved.times), k), dtype=np.int64)
        contents[:, some] = solved.contents
        columns = replace(solved, contents=contents)
    return filled


def _fits(content: Ints, left: Ints) -> int:
    used = content > 0
    return int((left[used] // content[used]).min())
