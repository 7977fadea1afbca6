"""Bring a placement to a wanted number of containers, moving as few instances as that takes."""

from __future__ import annotations

import numpy as np

from packing.errors import Infeasible
from packing.planners.placement import Placement


def close_highest(placement: Placement, count: int) -> None:
    """Empty the containers with the highest ids until `count` are left.

    The highest go first because that is all that Kubernetes can remove. Each instance moves to the
    fullest container that can take it, so that large gaps stay for large instances. Raises
    Infeasible when one finds no room.
    """
    while len(placement.ids) > count:
        last = len(placement.ids) - 1
        by_size = np.argsort(-placement.needs[:, 1], kind="stable")
        for component in by_size.tolist():
            for _ in range(int(placement.counts[component, last])):
                room = placement.room(component)[:last]
                if not len(room) or room.max() < 1:
                    name = placement.request.topology.names[component]
                    raise Infeasible(
                        f"container {placement.ids[last]} cannot be given up for "
                        f"{count} containers: an instance of {name!r} fits nowhere else"
                    )
                held = np.where(room > 0, placement.instances_held[:last], -1)
                placement.move(component, last, int(np.argmax(held)))
        placement.drop_last()


def fill_empty(placement: Placement) -> None:
    """Give every empty container its share of instances, taken from the fullest containers.

    A container that stays empty would be left out of the plan, and the count not be met.
    """
    while True:
        held = placement.instances_held
        empty = int(np.argmin(held))
        fullest = int(np.argmax(held))
        if held[empty] >= max(1, int(held.sum()) // len(held)) or held[fullest] - held[empty] < 2:
            return
        for component in np.argsort(-placement.counts[:, fullest], kind="stable").tolist():
            if placement.counts[component, fullest] and placement.room(component)[empty]:
                placement.move(component, fullest, empty)
                break
        else:
            return
