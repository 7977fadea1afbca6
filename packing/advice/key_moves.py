"""Which keys of a FIELDS stream change instance when its reader gets another parallelism."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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


def moved_share(before: int, after: int) -> float:
    """Share of hashes r with `r mod before != r mod after`.

    Of the residues below their least common multiple L, by the Chinese remainder theorem one for
    each value below the smaller number stays: 1 - min(n, n') / L. Doubling moves half of the keys,
    numbers without a common divisor nearly all.
    """
    return 1.0 - min(before, after) / math.lcm(before, after)


def key_moves(
    topology: Topology, before: Mapping[str, int], after: Mapping[str, int]
) -> tuple[KeyMove, ...]:
    """The FIELDS streams whose readers change in number."""
    return tuple(
        KeyMove(
            stream.source,
            stream.stream_id,
            stream.target,
            before[stream.target],
            after[stream.target],
            moved_share(before[stream.target], after[stream.target]),
        )
        for stream in topology.streams
        if stream.grouping is Grouping.FIELDS and before[stream.target] != after[stream.target]
    )
