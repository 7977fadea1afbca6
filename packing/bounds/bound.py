"""One proved bound: a number, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """No plan within the limits is better than `value`."""

    value: float
    how: str
    """What proves it, as a phrase: `RAM`, `configuration LP`, `thread of count`."""
