"""Which keys of a FIELDS stream change instance when its reader gets another parallelism."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packing.plan import Plan
from packing.topology import Grouping, Topology


@dataclass(frozen=True)
class KeyMove:
    """Share of the keys of one stream whose state would be at another instance."""

    source: str
    stream_id: str
    component: str
    before: int
    after: int
    moved_share: float


def moved_share(before: Sequence[int], after: Sequence[int]) -> float:
    """Share of the keys that another task gets, from the reader's task ids before and after.

    A key goes to place `r mod n` among the n task ids in rising order. By the Chinese remainder
    theorem one of L residues, L the least common multiple of n and n', leads to places i and j if
    these are congruent modulo the greatest common divisor, and none otherwise. Where the lowest
    task ids stay, 1 - min(n, n') / L is left: doubling moves half of the keys, numbers without a
    common divisor nearly all. A task that stops in the middle shifts all those behind it.
    """
    places = {task: i for i, task in enumerate(sorted(before))}
    divisor = math.gcd(len(before), len(after))
    staying = sum(
        task in places and (places[task] - j) % divisor == 0 for j, task in enumerate(sorted(after))
    )
    return 1.0 - staying / math.lcm(len(before), len(after))


def key_moves(
    topology: Topology,
    before: Mapping[str, Sequence[int]],
    after: Mapping[str, Sequence[int]],
) -> tuple[KeyMove, ...]:
    """The FIELDS streams whose readers change in number; from the task ids of each component."""
    return tuple(
        KeyMove(
            stream.source,
            stream.stream_id,
            stream.target,
            len(before[stream.target]),
            len(after[stream.target]),
            moved_share(before[stream.target], after[stream.target]),
        )
        for stream in topology.streams
        if stream.grouping is Grouping.FIELDS
        and len(before[stream.target]) != len(after[stream.target])
    )


def task_ids(plan: Plan) -> dict[str, list[int]]:
    """Of the instances of each component."""
    return {
        name: plan.task_id[plan.component == v].tolist() for v, name in enumerate(plan.components)
    }


def fresh_task_ids(parallelism: Mapping[str, int]) -> dict[str, range]:
    """Where nothing runs: of each component by themselves, which is all that counts."""
    return {name: range(n) for name, n in parallelism.items()}
