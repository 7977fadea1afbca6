"""The placement problem as counts: how many instances of each class go into each container.

Instances that are alike need not be told apart, so a plan is a matrix of counts (classes,
containers). A class is a component, or a part of one where instances differ: the lowest task of a
component that reads a GLOBAL stream, the instances that get the hot keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from packing.arrays import Bools, Floats, Ints
from packing.errors import InvalidRequest


@dataclass(frozen=True, eq=False)
class PackingProblem:
    """`K` classes of identical instances, `C` containers, `D` hard and `L` soft dimensions.

    A state is a matrix of counts (K, C) whose rows sum to `supply`. It is feasible when every
    container holds from 1 to `most` instances within its `capacity`, and components in `spread`
    are in at least two containers. Raises InvalidRequest when shapes do not fit.
    """

    traffic: Floats
    """Tuples/s between one instance of u and one of v, both directions; symmetric (K, K).
    A container with counts x keeps `x^T traffic x / 2` tuples/s local."""
    supply: Ints
    """Instances per class, at least 1; (K,)."""
    needs: Floats
    """What one instance takes of each hard dimension: cores, RAM and disk bytes; (K, D)."""
    capacity: Floats
    """What instances may take in each container; (C, D), infinite where nothing limits."""
    most: Ints
    """Instances per container; (C,)."""
    load: Floats
    """What one instance adds to each soft dimension, such as CPU demand in cores; (K, L)."""
    component_of: Ints
    """Position of each class's component; (K,)."""
    spread: Bools | None = None
    """Components that must be in at least two containers; (components,). None: none."""
    home: Ints | None = None
    """Surviving instances where they run now; (K, C). None at a pack."""
    move_price: Floats = field(default_factory=lambda: np.zeros(0))
    """What moving one survivor of each class costs, in tuples/s kept local; (K,)."""

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit."""
        k, c = self.class_count, self.container_count
        shapes = {
            "traffic": (self.traffic.shape, (k, k)),
            "needs": (self.needs.shape, (k, self.needs.shape[-1])),
            "capacity": (self.capacity.shape, (c, self.needs.shape[-1])),
            "most": (self.most.shape, (c,)),
            "load": (self.load.shape, (k, self.load.shape[-1])),
            "component_of": (self.component_of.shape, (k,)),
        }
        if self.home is not None:
            shapes["home"] = (self.home.shape, (k, c))
            shapes["move_price"] = (self.move_price.shape, (k,))
        for name, (has, wanted) in shapes.items():
            if has != wanted:
                raise InvalidRequest(
                    f"{name} has shape {has}; with {k} classes and {c} containers it must be "
                    f"{wanted}"
                )

    @property
    def class_count(self) -> int:
        """K."""
        return len(self.supply)

    @property
    def container_count(self) -> int:
        """C."""
        return len(self.capacity)

    @cached_property
    def instance_count(self) -> int:
        """Instances of all classes."""
        return int(self.supply.sum())

    @cached_property
    def uniform(self) -> bool:
        """Whether all containers are alike."""
        return bool(
            self.home is None
            and (self.capacity == self.capacity[:1]).all()
            and (self.most == self.most[:1]).all()
        )

    def local_traffic(self, counts: Ints) -> float:
        """Tuples/s that stay inside containers."""
        return float(np.einsum("uc,uc->", self.traffic @ counts, counts)) / 2

    def loads(self, counts: Ints) -> Floats:
        """Load of each container; (C, L)."""
        return np.asarray(counts.T @ self.load, dtype=np.float64)

    def moved(self, counts: Ints) -> int:
        """Survivors that change container. Instances that have to stop are no survivors."""
        if self.home is None:
            return 0
        gone = np.maximum(self.home - counts, 0).sum(axis=1)
        stopped = np.maximum(self.home.sum(axis=1) - self.supply, 0)
        return int(np.maximum(gone - stopped, 0).sum())

    def complaints(self, counts: Ints) -> list[str]:
        """Everything that makes a state infeasible, in sentences; empty for a feasible one."""
        found = []
        if bool((counts < 0).any()) or not np.array_equal(counts.sum(axis=1), self.supply):
            found.append("the counts of a class do not sum to its supply")
        held = counts.sum(axis=0)
        if bool((held < 1).any()):
            found.append(f"container {int(np.argmin(held))} is empty")
        if bool((held > self.most).any()):
            found.append(f"container {int(np.argmax(held - self.most))} holds too many instances")
        if bool((counts.T @ self.needs > self.capacity).any()):
            found.append("a container is over its capacity")
        if self.spread is not None:
            inside = np.zeros((len(self.spread), counts.shape[1]), dtype=np.int64)
            np.add.at(inside, self.component_of, counts)
            alone = self.spread & ((inside > 0).sum(axis=1) < 2) & (inside.sum(axis=1) > 1)
            found += [f"component {at} is in one container" for at in np.flatnonzero(alone)]
        return found

    def feasible(self, counts: Ints) -> bool:
        """Whether a state keeps every hard rule."""
        return not self.complaints(counts)
