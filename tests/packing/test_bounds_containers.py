"""Fewest containers: never more than an optimum needs, and tight where sums are not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from packing.arrays import Floats, Ints
from packing.bounds.containers import (
    CONFLICTS,
    TOGETHER,
    fewest_by_resource,
    fewest_containers,
    relative_sizes,
)


def fewest(supply: Ints, sizes: Floats) -> int:
    """The optimum, item by item, by branch and bound over open containers."""
    items = np.repeat(sizes, supply, axis=0)
    items = items[np.argsort(-items.max(axis=1))]
    best = len(items)

    def place(at: int, free: list[tuple[float, ...]]) -> None:
        nonlocal best
        if len(free) >= best:
            return
        if at == len(items):
            best = len(free)
            return
        seen = set()
        for i, has in enumerate(free):
            if has not in seen and all(h + 1e-9 >= n for h, n in zip(has, items[at], strict=True)):
                seen.add(has)
                left = tuple(h - float(n) for h, n in zip(has, items[at], strict=True))
                place(at + 1, [*free[:i], left, *free[i + 1 :]])
        place(at + 1, [*free, tuple(1.0 - float(n) for n in items[at])])

    place(0, [])
    return best


def fewest_by_program(supply: Ints, sizes: Floats) -> int:
    """The optimum by mixed-integer programming: counts per class and container."""
    classes, dims = sizes.shape
    bins = int(supply.sum())
    bins = min(bins, 2 * math.ceil(float((supply @ sizes).sum())) + 1)
    width = (classes + 1) * bins  # counts, then whether each container is open
    cost = np.zeros(width)
    cost[classes * bins :] = 1
    rows, low, high = [], [], []
    for u in range(classes):
        row = np.zeros(width)
        row[u * bins : (u + 1) * bins] = 1
        rows.append(row)
        low.append(supply[u])
        high.append(supply[u])
    for c in range(bins):
        for r in range(dims):
            row = np.zeros(width)
            row[c : classes * bins : bins] = sizes[:, r]
            row[classes * bins + c] = -1
            rows.append(row)
            low.append(-np.inf)
            high.append(1e-9)
    solved = milp(
        cost,
        constraints=LinearConstraint(np.array(rows), low, high),
        integrality=np.ones(width),
        bounds=Bounds(0, np.r_[np.repeat(supply, bins), np.ones(bins)]),
    )
    assert solved.success
    return round(solved.fun)


def sizes_of(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows, dtype=float) * (1 - 1e-12)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_never_more_than_the_optimum(data: st.DataObject) -> None:
    classes = data.draw(st.integers(1, 4))
    dims = data.draw(st.integers(1, 3))
    amounts = st.sampled_from(
        [0.0, 0.1, 0.2, 0.25, 0.3, 1 / 3, 0.34, 0.4, 0.5, 0.51, 0.6, 0.7, 1.0]
    )
    sizes = np.array([[data.draw(amounts) for _ in range(dims)] for _ in range(classes)])
    supply = np.array([data.draw(st.integers(1, 3)) for _ in range(classes)])
    bound = fewest_containers(supply, sizes * (1 - 1e-12))
    assert 1 <= bound.value <= fewest(supply, sizes)
    assert bound.value == int(bound.value)
    alone = fewest_by_resource(supply, sizes * (1 - 1e-12))
    assert max(alone) <= bound.value or bound.value == 1


@pytest.mark.parametrize("seed", range(6))
def test_never_more_than_a_program_finds_for_larger_cases(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.uniform(0.05, 0.7, (4, 3)).round(2)
    supply = random.integers(2, 6, 4)
    bound = fewest_containers(supply, sizes * (1 - 1e-12)).value
    optimum = fewest_by_program(supply, sizes)
    assert bound <= optimum
    assert bound >= 0.7 * optimum


@pytest.mark.parametrize(
    ("supply", "sizes", "containers", "how"),
    [
        # By the sum; by what no two fit; by what no two fit though the sum says 4.
        ([6], [(0.3,)], 2, "CPU"),
        ([4], [(0.6,)], 4, "CPU"),
        ([6], [(0.51,)], 6, "CPU"),
        # Three of 0.3 in one container, so nine in three.
        ([9], [(0.3,)], 3, "CPU"),
        # 0.6 with 0.4, and two of 0.4 more.
        ([3, 5], [(0.6,), (0.4,)], 4, "CPU"),
        # Three by either resource: 0.9 of it twice, and 0.2 twice. Of their means no two fit.
        ([2, 2], [(0.9, 0.2), (0.2, 0.9)], 4, TOGETHER),
        # Each two meet in one resource, and a third of everything is 0.4 each.
        ([1, 1, 1], [(0.6, 0.6, 0.0), (0.6, 0.0, 0.6), (0.0, 0.6, 0.6)], 3, CONFLICTS),
    ],
)
def test_known_cases(
    supply: list[int], sizes: list[tuple[float, ...]], containers: int, how: str
) -> None:
    found = fewest_containers(np.array(supply), sizes_of(*sizes))
    assert found.value <= fewest(np.array(supply), sizes_of(*sizes))
    assert (found.value, found.how) == (containers, how)


def test_what_fits_exactly_fits() -> None:
    needs = np.array([[0.1, 3.0, 0.0], [0.2, 1.0, 0.0]])
    sizes = relative_sizes(needs, np.array([0.3, 4.0, np.inf]), math.inf)
    assert fewest_containers(np.array([5, 5]), sizes).value == 5


def test_an_instance_that_fits_nowhere() -> None:
    sizes = relative_sizes(np.array([[1.0, 2.0, 0.0]]), np.array([4.0, 1.0, 0.0]), math.inf)
    found = fewest_containers(np.array([1]), sizes)
    assert (found.value, found.how) == (math.inf, "RAM")


def test_a_limit_of_instances_counts() -> None:
    sizes = relative_sizes(np.zeros((2, 3)), np.array([0.0, 0.0, 0.0]), 4)
    found = fewest_containers(np.array([5, 6]), sizes)
    assert (found.value, found.how) == (3, "instances per container")


def test_many_classes_that_conflict() -> None:
    # More classes than are searched exactly: one after the other is still a clique.
    sizes = np.full((30, 1), 0.6)
    assert fewest_containers(np.ones(30, dtype=np.int64), sizes).value == 30
