"""The order in which Heron's packers meet the components.

They iterate a `java.util.HashMap` keyed by component name, and a stable sort keeps that order
among equals. Reproducing it is what makes our plans equal to Heron's container by container.
"""

from __future__ import annotations

from collections.abc import Iterable

_INITIAL_CAPACITY = 16
_LOAD_FACTOR = 0.75
_LONGEST_CHAIN = 8
_SMALLEST_TABLE_WITH_TREES = 64


def string_hash(text: str) -> int:
    """`String.hashCode` as an unsigned 32-bit number (Java language: sum of c * 31**k)."""
    code = 0
    units = text.encode("utf-16-be")
    for high, low in zip(units[::2], units[1::2], strict=True):
        code = (31 * code + (high << 8) + low) & 0xFFFFFFFF
    return code


def hash_map_order(names: Iterable[str]) -> list[str]:
    """`names`, given in insertion order, in the iteration order of a `java.util.HashMap`.

    Buckets by the spread hash; within a bucket the order of insertion, which splitting on resize
    preserves. The table doubles when it is three quarters full, and while it is small also when a
    ninth name comes into one bucket. (From 64 buckets on, such a bucket becomes a tree, whose
    order is not reproduced.)
    """
    spread: dict[str, int] = {}
    capacity = _INITIAL_CAPACITY
    for name in names:
        if name in spread:
            continue
        code = string_hash(name)
        spread[name] = code ^ (code >> 16)
        if capacity < _SMALLEST_TABLE_WITH_TREES:
            bucket = spread[name] & (capacity - 1)
            chain = sum(other & (capacity - 1) == bucket for other in spread.values())
            if chain > _LONGEST_CHAIN:
                capacity *= 2
        if len(spread) > capacity * _LOAD_FACTOR:
            capacity *= 2
    return sorted(spread, key=lambda name: spread[name] & (capacity - 1))
