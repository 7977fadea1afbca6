"""Recipes: contents of one container, used for many containers alike.

A recipe counts the instances of each component. Its value is the traffic that it keeps inside the
container, `x^T Q x / 2` for counts x and pair traffic Q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Bools, Floats, Ints

MAX_SEEDS = 12
"""Recipes grown per step: one from each of the pairs with most traffic between them."""


@dataclass(frozen=True)
class ContainerLimits:
    """What one container may hold."""

    needs: Floats
    """Cores, RAM and disk of one instance per component, shape (components, 3)."""
    usable: Floats
    """Cores, RAM and disk for instances, shape (3,)."""
    load: Floats
    """CPU demand of one instance per component, shape (components,)."""
    max_load: float
    max_instances: float


def fill_by_recipes(
    traffic: Floats, supply: Ints, limits: ContainerLimits, containers: int
) -> Ints:
    """Counts per component and container, shape (components, containers).

    Takes the best recipe that what is left allows, uses it as often as it goes, and goes on. What
    no recipe could take is missing from the result.
    """
    left = supply.copy()
    filled = np.zeros((len(supply), containers), dtype=np.int64)
    at = 0
    while at < containers and left.any():
        # Every container gets at least one instance.
        spare = int(left.sum()) - (containers - at - 1)
        recipe = _best_recipe(traffic, left, limits, min(limits.max_instances, spare))
        if recipe is None:
            break
        used = recipe > 0
        times = min(int(np.min(left[used] // recipe[used])), containers - at)
        while times > 1 and int((left - recipe * times).sum()) < containers - at - times:
            times -= 1
        filled[:, at : at + times] = recipe[:, None]
        left -= recipe * times
        at += times
    return filled


def _best_recipe(
    traffic: Floats, left: Ints, limits: ContainerLimits, max_instances: float
) -> Ints | None:
    """The recipe with most traffic kept per instance, grown from several seeds."""
    best: Ints | None = None
    best_value = -1.0
    for seed in _seeds(traffic, left):
        recipe = _grow(seed, traffic, left, limits, max_instances)
        held = int(recipe.sum())
        if held:
            value = float(recipe @ traffic @ recipe) / held
            if value > best_value * (1 + 1e-12) or best is None:
                best, best_value = recipe, value
    return best


def _seeds(traffic: Floats, left: Ints) -> list[tuple[int, ...]]:
    available = np.flatnonzero(left)
    pairs = [
        (float(traffic[u, v]), int(u), int(v))
        for i, u in enumerate(available)
        for v in available[i + 1 :]
        if traffic[u, v] > 0
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [(u, v) for _, u, v in pairs[:MAX_SEEDS]] or [(int(available[0]),)]


def _grow(
    seed: tuple[int, ...],
    traffic: Floats,
    left: Ints,
    limits: ContainerLimits,
    max_instances: float,
) -> Ints:
    """Add instances to the seed, each the one that keeps most traffic, until nothing fits."""
    recipe = np.zeros(len(left), dtype=np.int64)
    used = np.zeros(3)
    load = 0.0
    attraction = np.zeros(len(left))

    def fits() -> Bools:
        room = np.all(used + limits.needs <= limits.usable, axis=1)
        return np.asarray(room & (load + limits.load <= limits.max_load) & (recipe < left))

    wanted = list(seed)
    while recipe.sum() < max_instances:
        possible = fits()
        if wanted:
            component = wanted.pop(0)
            if not possible[component]:
                continue
        elif possible.any():
            component = int(np.argmax(np.where(possible, attraction, -1.0)))
        else:
            break
        recipe[component] += 1
        used += limits.needs[component]
        load += limits.load[component]
        attraction += traffic[component]
    return recipe
