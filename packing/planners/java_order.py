"""The order in which Heron's packers meet the components.

They iterate a `java.util.HashMap` keyed by component name, and a stable sort keeps that order
among equals. Reproducing it is what makes our plans equal to Heron's container by container.
"""

from __future__ import annotations

from collections.abc import Iterable

_INITIAL_CAPACITY = 16
_LOAD_FACTOR = 0.75


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
    preserves. (Buckets that became trees, from 8 collisions on, keep it as well in iteration.)
    """
    inserted = list(dict.fromkeys(names))
    capacity = _INITIAL_CAPACITY
    while len(inserted) > capacity * _LOAD_FACTOR:
        capacity *= 2

    def bucket(name: str) -> int:
        code = string_hash(name)
        return (code ^ (code >> 16)) & (capacity - 1)

    return sorted(inserted, key=bucket)
