"""Bring a placement to a wanted number of containers, moving as few instances as that takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from packing.errors import Infeasible
from packing.planners.placement import Placement
from packing.resources import counted


def reach_count(placement: Placement, count: int) -> None:
    """Make `count` containers hold instances: close the highest, then fill the new and the empty.

    Containers to add must have been opened before. Raises Infeasible when a container that is to
    be closed cannot be emptied.
    """
    close_highest(placement, count)
    share = max(1, int(placement.instances_held.sum()) // len(placement.ids))
    _fill(placement, placement.opened, share)
    fill_empty(placement)


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
                room = placement.room_to_move(component, last)[:last]
                if not len(room) or room.max() < 1:
                    name = placement.request.topology.names[component]
                    raise Infeasible(
                        f"container {placement.ids[last]} cannot be given up for "
                        f"{counted(count, 'container')}: an instance of {name!r} fits nowhere else"
                    )
                held = np.where(room > 0, placement.instances_held[:last], -1)
                placement.move(component, last, int(np.argmax(held)))
        placement.drop_last()


def fill_empty(placement: Placement, below: int | None = None) -> None:
    """Move one instance into every empty container, or those at positions under `below`.

    A container that stays empty would be left out of the plan.
    """
    _fill(placement, np.flatnonzero(placement.instances_held[:below] == 0).tolist(), 1)


def _fill(placement: Placement, positions: Iterable[int], goal: int) -> None:
    """Bring containers up to `goal` instances, taken from the fullest that can spare one."""
    for to in positions:
        while placement.instances_held[to] < goal:
            if not _take_one(placement, to):
                break


def _take_one(placement: Placement, to: int) -> bool:
    held = placement.instances_held
    for source in np.argsort(-held, kind="stable").tolist():
        if held[source] - held[to] < 2:
            return False
        for component in np.argsort(-placement.counts[:, source], kind="stable").tolist():
            if not placement.counts[component, source]:
                break
            if placement.room_to_move(component, source)[to]:
                placement.move(component, source, to)
                return True
    return False
