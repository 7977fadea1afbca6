"""Plans as counts: how many instances of each class every container has.

A search looks at many contents of containers before it writes one plan down. Here they are judged
as they are: instances of a class are alike, so nothing that the model says depends on which of them
is where, only its names do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from packing.arrays import Floats, Ints
from packing.errors import InvalidRequest
from packing.model.placed import SAME_SHARE, Own, Placed, flows_between
from packing.model.structure import Structure


@dataclass(frozen=True, eq=False)
class Classes:
    """The instances of a structure in `K` classes of alike ones.

    A class is a component, or a part of one where its instances do not get the same.
    """

    structure: Structure
    component: Ints
    """Position of each class's component; (K,)."""
    sent: Floats
    """Share of its component's output that one instance sends, which is its share of the input;
    (K,)."""
    received: Floats
    """Share of each stream that one instance gets; 0 where its component does not read it;
    (streams, K)."""

    @staticmethod
    def of_components(structure: Structure) -> Classes:
        """One class per component, for a structure whose tuples spread evenly over instances.

        Raises InvalidRequest where they do not.
        """
        if structure.routed:
            names = ", ".join(structure.topology.names[v] for v in structure.routed)
            raise InvalidRequest(
                f"instances of {names} do not get the same; put those that do into classes"
            )
        parallelism = np.array([c.parallelism for c in structure.topology.components])
        component = np.arange(len(parallelism))
        received = np.equal.outer(structure.stream_target, component) / parallelism
        return Classes(structure, component, 1.0 / parallelism, received)

    @cached_property
    def membership(self) -> Floats:
        """1 where a class (column) is of a component (row); (components, K)."""
        return np.equal.outer(np.arange(len(self.structure.spout)), self.component).astype(float)

    @cached_property
    def sending(self) -> Floats:
        """`membership` times the share that one instance sends; (components, K)."""
        found: Floats = self.membership * self.sent
        return found

    @cached_property
    def uneven(self) -> Mapping[int, Ints]:
        """Component -> its classes by ascending share, where they differ."""
        found = {}
        for v in range(len(self.structure.spout)):
            classes = np.flatnonzero(self.component == v)
            classes = classes[np.argsort(self.sent[classes], kind="stable")]
            if len(classes) and self.sent[classes[-1]] - self.sent[classes[0]] >= SAME_SHARE:
                found[v] = classes
        return found


@dataclass(frozen=True, eq=False)
class Contents:
    """What is in `C` containers, and how large they are."""

    counts: Ints | Floats
    """Instances of each class in each container; (K, C)."""
    cores: Floats
    """Of each container; (C,)."""
    ram_bytes: Floats | Ints
    """Of each container; (C,)."""
    requested_cores: Floats
    """What the instances of each container ask for; read only where the load is not known; (C,)."""


def place_counts(classes: Classes, counts: Ints | Floats) -> Placed:
    """`place` for counts of instances per class and container; (K, C).

    Raises InvalidRequest when `counts` has another number of rows than there are classes.
    """
    if counts.ndim != 2 or len(counts) != len(classes.component):
        raise InvalidRequest(
            f"counts have the shape {counts.shape}; with {len(classes.component)} classes it must "
            f"be ({len(classes.component)}, containers)"
        )
    by_class = counts.astype(np.float64)
    by_component = classes.membership @ by_class
    own = {}
    for v, members in classes.uneven.items():
        kind, container = by_class[members].nonzero()
        number = by_class[members[kind], container]
        own[v] = Own(classes.sent[members], kind, container, number)
    return flows_between(
        classes.structure,
        None,
        by_component,
        np.maximum(by_component.sum(axis=1), 1.0),
        classes.sending @ by_class,
        classes.received @ by_class if classes.structure.routed else None,
        own,
    )
