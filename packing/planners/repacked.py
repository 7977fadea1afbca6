"""The answer to an update, with what more moves would have gained."""

from __future__ import annotations

from dataclasses import dataclass

from packing.plan import Plan


@dataclass(frozen=True)
class Step:
    """A point of the curve of gain against moves."""

    moved: int
    """Survivors that change container."""
    moved_share: float
    """Of all survivors."""
    sustainable_load_factor: float | None
    """None where the load is not known."""
    cross_tuples_per_s: float
    """Tuples/s between containers."""
    cross_fraction: float
    """Part of the traffic that is."""


@dataclass(frozen=True)
class Repacked:
    """The answer to an update, with what more moves would have gained."""

    plan: Plan
    least: Plan
    """The one that moves the fewest survivors; `plan` itself where no more moves are worth it."""
    curve: tuple[Step, ...]
    """By rising number of moves, those that carry more than all with fewer; the first is the least
    that can be moved. One point alone where no moves could be worth it, or the load is not known.
    """
    taken: int
    """Which of them `plan` is."""
    reason: str
    """Why that one, in a sentence."""
