"""How much traffic any placement keeps inside containers, at most.

A container with counts x keeps `x^T Q x / 2` tuples/s local (`PackingProblem.traffic` is Q). Three
bounds, each of them proved; the least counts:

- configuration LP: prices p of one instance of each class and m of a container bound what is kept
  by `p . supply + C * (m + e)` wherever no content of a container is worth more than its prices by
  more than m + e. Gilmore and Gomory, A linear programming approach to the cutting-stock problem,
  Operations Research 9 (1961), by Lagrangian duality: whatever the prices, the bound holds.
- cliques: with at most M instances in a container, `x^T Q x / 2 <= |x|^2 t <= |x| M t`, where t is
  the largest `z^T Q z / 2` with z >= 0 of sum 1. Motzkin and Straus, Maxima for graphs and a new
  proof of a theorem of Turan, Canadian Journal of Mathematics 17 (1965): some z whose classes all
  talk to one another attains it.
- pairs: for every two classes alone, `x y <= (x + y)^2 / 4 <= M (x + y) / 4`.
"""

from __future__ import annotations

import math

import numpy as np

from packing.arrays import Floats, Ints
from packing.bounds.bound import Bound
from packing.search.kernel import KernelMissing, best_content, configurations
from packing.search.problem import PackingProblem

ROUNDS = 2_000
"""Steps of the simplex method; it needs a few per class."""
NODES = 20_000
"""Contents looked at for each proof that none is worth more."""
LEEWAY = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""Parts of what a container keeps by which a content may exceed its prices, tried in turn until a
proof is found."""
MAX_CLASSES = 40
"""Classes beyond which the LP takes longer than it is worth."""
MAX_CLIQUES = 5_000
SOLVED = "configuration LP"
STOPPED = "configuration LP, stopped early"
ROUNDING = 1e-9
"""Relative; sums of tuples/s are exact to better than this."""


def most_local_traffic(problem: PackingProblem, nodes: int = NODES) -> Bound:
    """Tuples/s that stay inside containers at most, in any feasible state of `problem`.

    All containers count as large as the largest. `nodes` limits the work of each of a few proofs;
    with 0 the configuration LP is not solved.
    """
    everything = _within_one(problem)
    if everything <= 0:
        return Bound(0.0, "no traffic")
    most = most_instances(problem)
    found = [Bound(everything, "all traffic")]
    if nodes > 0 and problem.class_count <= MAX_CLASSES:
        found.append(_by_configurations(problem, most, nodes))
    if found[-1].how != SOLVED:
        # The other two follow from prices, too: from some that are not the best.
        found += [_by_pairs(problem, most), _by_cliques(problem, most)]
    best = min(found, key=lambda bound: bound.value)
    return Bound(max(0.0, best.value) * (1 + ROUNDING), best.how)


def _within_one(problem: PackingProblem) -> float:
    """Traffic if a single container held everything."""
    supply = problem.supply.astype(np.float64)
    return float(supply @ problem.traffic @ supply) / 2


def most_instances(problem: PackingProblem) -> int:
    """Instances that one container holds at most: the smallest first, by each resource."""
    others = problem.container_count - 1
    most = min(int(problem.most.max()), problem.instance_count - others)
    for needs, capacity in zip(problem.needs.T, problem.capacity.max(axis=0), strict=True):
        order = np.argsort(needs, kind="stable")
        need, supply = needs[order], problem.supply[order]
        before = np.r_[0.0, np.cumsum(need * supply)][:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            fits = np.where(need > 0, np.floor((capacity - before) / need + ROUNDING), np.inf)
        most = min(most, int(np.clip(fits, 0, supply).sum()))
    return most


def _by_pairs(problem: PackingProblem, most: int) -> Bound:
    supply = problem.supply.astype(np.float64)
    ends = supply[:, None] + supply[None, :]
    product = supply[:, None] * supply[None, :]
    kept = np.minimum(product, most * ends / 4)
    # Between instances of one class: the sum of x^2 is at most M times the sum of x.
    np.fill_diagonal(kept, np.minimum(product.diagonal(), most * supply))
    return Bound(float((problem.traffic * kept).sum()) / 2, "pairs of classes")


def _by_cliques(problem: PackingProblem, most: int) -> Bound:
    densest = largest_form(problem.traffic)
    return Bound(most * densest * problem.instance_count, "classes that all talk to one another")


def largest_form(traffic: Floats) -> float:
    """The largest `z^T traffic z / 2` over z >= 0 of sum 1; not below it where there are too many
    sets of classes that all talk to one another."""
    best = float(traffic.diagonal().max(initial=0.0)) / 2
    talks = traffic > 0
    left = MAX_CLIQUES
    stack: list[tuple[tuple[int, ...], Ints]] = [
        ((u,), u + 1 + np.flatnonzero(talks[u, u + 1 :])) for u in range(len(traffic))
    ]
    while stack:
        clique, others = stack.pop()
        left -= 1
        if left < 0:
            return float(traffic.max(initial=0.0)) / 2
        if len(clique) > 1:
            best = max(best, _stationary(traffic[np.ix_(clique, clique)]))
        stack += [
            ((*clique, v), others[i + 1 :][talks[v, others[i + 1 :]]])
            for i, v in enumerate(others.tolist())
        ]
    return best


def _stationary(among: Floats) -> float:
    """Value where the form is stationary with all classes in use; 0 where it is not or nowhere.

    A form without such a point takes its maximum with fewer classes.
    """
    if len(among) == 2:
        (a, b), (_, c) = among.tolist()
        # At the share t of the first: (a t^2 + 2 b t (1 - t) + c (1 - t)^2) / 2.
        bend = a + c - 2 * b
        if bend >= 0:
            return 0.0
        t = (c - b) / bend
        return (a * t * t + 2 * b * t * (1 - t) + c * (1 - t) ** 2) / 2 if 0 < t < 1 else 0.0
    try:
        weights = np.linalg.solve(among, np.ones(len(among)))
    except np.linalg.LinAlgError:
        return 0.0
    total = float(weights.sum())
    return 0.5 / total if total > 0 and bool((weights >= 0).all()) else 0.0


def _by_configurations(problem: PackingProblem, most: int, nodes: int) -> Bound:
    """Dual bound of the configuration LP at the prices that column generation ends with."""
    alike = _alike(problem, most)
    count = problem.container_count
    none = np.zeros((0, alike.class_count), dtype=np.int64)
    try:
        solved = configurations(alike, none, ROUNDS, nodes)
    except KernelMissing:
        return Bound(math.inf, STOPPED)
    price, container = solved.prices[:-1], float(solved.prices[-1])
    sold = float(price @ alike.supply)
    if math.isfinite(solved.gap):
        return Bound(sold + count * (container + solved.gap), SOLVED)
    for leeway in LEEWAY:
        threshold = container + leeway * abs(solved.value) / count
        content, worth, proved = best_content(alike, price, nodes, threshold)
        if proved:
            above = threshold if content is None else worth
            return Bound(sold + count * above, STOPPED)
    return Bound(math.inf, STOPPED)


def _alike(problem: PackingProblem, most: int) -> PackingProblem:
    """The same instances in containers that are all as large as the largest.

    Classes are ordered for branch and bound: the last ones do not talk among themselves, so that
    little is left open when it comes to them.
    """
    count, order = problem.container_count, _cover(problem.traffic)
    return PackingProblem(
        traffic=problem.traffic[np.ix_(order, order)],
        supply=problem.supply[order],
        needs=problem.needs[order],
        capacity=np.tile(problem.capacity.max(axis=0), (count, 1)),
        most=np.full(count, most, dtype=np.int64),
        load=problem.load[order],
        component_of=problem.component_of[order],
    )


def _cover(traffic: Floats) -> Ints:
    """All classes: first the one with most traffic to the rest, again and again, while it talks."""
    left = np.arange(len(traffic))
    chosen = []
    while len(left):
        to_the_rest = traffic[np.ix_(left, left)].sum(axis=1)
        at = int(np.argmax(to_the_rest))
        if to_the_rest[at] <= 0:
            break
        chosen.append(int(left[at]))
        left = np.delete(left, at)
    return np.array([*chosen, *left.tolist()], dtype=np.int64)
