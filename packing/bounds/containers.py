"""How many containers any plan needs: lower bounds of vector bin packing.

Sizes are relative to what a container offers its instances. Sources: Martello and Toth, Lower
bounds and reduction procedures for the bin packing problem, Discrete Applied Mathematics 28 (1990)
(L1, L2); Fekete and Schepers, New classes of fast lower bounds for bin packing problems,
Mathematical Programming 91 (2001) (dual-feasible functions). A dual-feasible function f keeps
`sum f(x) <= 1` wherever `sum x <= 1`, so the sum of f over all instances bounds the containers; so
does f of any convex combination of resources.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np

from packing.arrays import Bools, Floats, Ints
from packing.bounds.bound import Bound

RESOURCES = ("CPU", "RAM", "disk", "instances per container")
"""Names of the dimensions of `relative_sizes`."""

TOGETHER = "several resources together"
CONFLICTS = "instances of which no two fit one container"

ROUNDING = 1e-12
"""Sizes are taken this much smaller, so that no rounding makes an instance too large."""
SLACK = 1e-6
"""Sums are exact to better than this."""
THRESHOLDS = 32
"""Sizes tried as the e of Martello and Toth's bound, at most."""
STEPS = 16
"""Largest parameter of the rounding function (Fekete and Schepers' u^(k))."""
PARTS = 4
"""Weights of resources are multiples of one over this."""
MAX_CLIQUE_CLASSES = 18
"""Classes among which the largest set of conflicting instances is searched exactly."""


def relative_sizes(needs: Floats, usable: Floats, most: float) -> Floats:
    """Share of a container that one instance of each class takes; (K, 4).

    `needs` (K, 3) and `usable` (3,) are cores, RAM and disk, `most` is the number of instances in a
    container; infinite where nothing limits. A size above 1 fits nowhere.
    """
    offered = np.append(usable, most)
    wanted = np.column_stack([needs, np.ones(len(needs))])
    without = np.where(wanted > 0, np.inf, 0.0)
    sizes = np.divide(wanted, offered, out=without, where=offered > 0)
    return np.asarray(sizes * (1 - ROUNDING), dtype=np.float64)


def fewest_containers(supply: Ints, sizes: Floats) -> Bound:
    """The largest of all bounds; infinite when an instance fits no container.

    `supply` (K,) instances per class, `sizes` (K, D) as `relative_sizes` gives them.
    """
    single = fewest_by_resource(supply, sizes)
    worst = int(np.argmax(single))
    best = Bound(max(1.0, float(single[worst])), RESOURCES[worst])
    if math.isinf(best.value):
        return best
    together = _largest_sum(supply, _mixed(sizes))
    if together > best.value:
        best = Bound(together, TOGETHER)
    apart = _conflicting(supply, sizes)
    if apart > best.value:
        best = Bound(apart, CONFLICTS)
    return best


def fewest_by_resource(supply: Ints, sizes: Floats) -> Floats:
    """Containers that each resource alone would take; (D,). Infinite where one does not fit."""
    return np.array([_fewest_of_one(supply, size) for size in sizes.T])


def _fewest_of_one(supply: Ints, size: Floats) -> float:
    if (size > 1).any():
        return math.inf
    return max(_largest_sum(supply, size[None]), _by_class(supply, size))


def _by_class(supply: Ints, size: Floats) -> float:
    """Containers that the class with most of them takes, as many as fit in each."""
    with np.errstate(divide="ignore"):
        fits = np.floor(1.0 / size + SLACK)
    return float(np.ceil(supply / fits).max())


def _mixed(sizes: Floats) -> Floats:
    """Convex combinations of the resources that differ, sizes of one dimension each; (W, K)."""
    used = sizes[:, (sizes > 0).any(axis=0)]
    count = used.shape[1]
    if not count:
        return np.zeros((0, len(sizes)))
    return np.asarray(_weights(count) @ used.T, dtype=np.float64)


@cache
def _weights(count: int) -> Floats:
    """All weights of `count` resources in multiples of one over `PARTS`; rows sum to 1."""
    parts = [p for p in itertools.product(range(PARTS + 1), repeat=count) if sum(p) == PARTS]
    return np.array(parts, dtype=np.float64) / PARTS


def _largest_sum(supply: Ints, sizes: Floats) -> float:
    """The best bound by any dual-feasible function, over rows of one-dimensional sizes (W, K)."""
    if not sizes.size:
        return 0.0
    plain = sizes @ supply
    # Martello and Toth: sizes above 1 - e count whole, sizes below e not at all, e at most half.
    threshold = np.sort(np.where(sizes <= 0.5, sizes, 0.0), axis=1)
    if threshold.shape[1] > THRESHOLDS:
        chosen = np.linspace(0, threshold.shape[1] - 1, THRESHOLDS).astype(np.int64)
        threshold = threshold[:, chosen]
    threshold = threshold[:, :, None]
    size = sizes[:, None, :]
    cut = np.where(size > 1 - threshold, 1.0, np.where(size < threshold, 0.0, size)) @ supply
    # Fekete and Schepers: parts of 1/(k+1) that a size holds, over k.
    k = np.arange(1, STEPS + 1)[None, :, None]
    stepped = (np.floor((k + 1) * size) / k) @ supply
    most = max(float(plain.max()), float(cut.max()), float(stepped.max()))
    return math.ceil(most - SLACK - most * ROUNDING)


def _conflicting(supply: Ints, sizes: Floats) -> float:
    """Instances of which no two fit one container: a clique of the graph of conflicts."""
    apart: Bools = np.zeros((len(sizes), len(sizes)), dtype=bool)
    for size in sizes.T:
        apart |= np.add.outer(size, size) > 1
    alone = np.diagonal(apart)
    # Of a class whose instances fit beside each other at most one can be in a clique.
    weight = np.where(alone, supply, 1)
    useful = np.flatnonzero(apart.any(axis=1))
    order = useful[np.argsort(-weight[useful], kind="stable")]
    if len(order) > MAX_CLIQUE_CLASSES:
        return float(_greedy_clique(order, apart, weight))
    return float(_largest_clique(order.tolist(), apart, weight))


def _greedy_clique(order: Ints, apart: Bools, weight: Ints) -> int:
    chosen: list[int] = []
    for at in order.tolist():
        if all(apart[at, other] for other in chosen):
            chosen.append(at)
    return int(sum(weight[at] for at in chosen))


def _largest_clique(candidates: list[int], apart: Bools, weight: Ints) -> int:
    """Weight of the heaviest clique, by taking or leaving the first candidate."""
    best = 0

    def extend(left: list[int], found: int) -> None:
        nonlocal best
        best = max(best, found)
        while left and found + sum(int(weight[at]) for at in left) > best:
            first, left = left[0], left[1:]
            extend([at for at in left if apart[first, at]], found + int(weight[first]))

    extend(candidates, 0)
    return best
