"""Small random packing problems, and every state of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from hypothesis import strategies as st

from packing.arrays import Ints
from packing.search.kernel import Aim
from packing.search.problem import PackingProblem


def problem(
    seed: int,
    classes: int,
    containers: int,
    most_supply: int = 3,
    *,
    tight: float = 1.3,
    repack: bool = False,
    spread: bool = False,
    uneven: bool = False,
) -> PackingProblem:
    """A random problem whose containers have `tight` times the room that is needed on average."""
    rng = np.random.default_rng(seed)
    traffic = rng.integers(0, 10, (classes, classes)) * (rng.random((classes, classes)) < 0.6)
    traffic = (traffic + traffic.T).astype(float)
    supply = rng.integers(1, most_supply + 1, classes)
    while supply.sum() < containers:
        supply[rng.integers(classes)] += 1
    needs = np.column_stack(
        [rng.integers(1, 5, classes) / 2.0, rng.integers(1, 9, classes) * 2.0**27]
    )
    capacity = np.tile(supply @ needs / containers * tight, (containers, 1))
    capacity = np.maximum(capacity, needs.max(axis=0))
    if uneven:
        capacity *= rng.uniform(0.8, 1.5, (containers, 1))
    component_of = np.sort(rng.integers(0, max(1, classes - 1), classes))
    components = int(component_of.max()) + 1
    home = None
    if repack:
        home = rng.integers(0, 3, (classes, containers))
    return PackingProblem(
        traffic=traffic,
        supply=supply.astype(np.int64),
        needs=needs,
        capacity=capacity,
        most=np.full(containers, math.ceil(supply.sum() / containers * 1.5) + 1),
        load=np.round(rng.uniform(0.1, 2.0, (classes, 2)), 2),
        component_of=component_of,
        spread=rng.random(components) < 0.5 if spread else None,
        home=home,
        move_price=rng.uniform(0, 10, classes) if repack else np.zeros(0),
    )


@st.composite
def problems(draw: st.DrawFn) -> PackingProblem:
    """Up to 9 instances in up to 3 containers, of every kind."""
    return problem(
        draw(st.integers(0, 10**6)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        tight=draw(st.sampled_from([1.0, 1.1, 1.3, 2.0])),
        repack=draw(st.booleans()),
        spread=draw(st.booleans()),
        uneven=draw(st.booleans()),
    )


@st.composite
def aims(draw: st.DrawFn) -> Aim:
    """Traffic alone, or load above a cap as well."""
    return draw(
        st.sampled_from([Aim(), Aim(1.0, 1.0, 3.0), Aim(0.0, 0.5, 1.0), Aim(0.5, 2.0, 0.1)])
    )


def states(of: PackingProblem) -> Iterator[Ints]:
    """Every feasible state."""
    rows = [
        [
            np.array(parts)
            for parts in itertools.product(range(count + 1), repeat=of.container_count)
            if sum(parts) == count
        ]
        for count in of.supply.tolist()
    ]
    for chosen in itertools.product(*rows):
        state = np.array(chosen)
        if of.feasible(state):
            yield state


def worth(of: PackingProblem, state: Ints, aim: Aim) -> float:
    """What a state is worth, written from the definition."""
    found = 0.0
    for c in range(of.container_count):
        inside = np.repeat(np.arange(of.class_count), state[:, c])
        # Each ordered pair, an instance with itself too: x^T Q x / 2.
        found += aim.local_weight * sum(of.traffic[u, v] for u in inside for v in inside) / 2
        for dimension in range(of.load.shape[1]):
            load = sum(of.load[u, dimension] for u in inside)
            cap = np.broadcast_to(aim.load_cap, (of.container_count, 2))[c, dimension]
            penalty = np.broadcast_to(aim.penalty, (2,))[dimension]
            found -= penalty * max(0.0, load - cap) ** 2
    if of.home is not None:
        for u in range(of.class_count):
            running, kept = int(of.home[u].sum()), int(np.minimum(of.home[u], state[u]).sum())
            survivors = min(running, int(of.supply[u]))
            found -= of.move_price[u] * (survivors - kept)
    return float(found)
