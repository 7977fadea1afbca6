"""Amounts as people read them, alike on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Sequence


def times(factor: float) -> str:
    """A load over another: `1.34x`; three digits where two decimals say too little or too much."""
    return f"{_factor(factor)}x"


def times_between(low: float, high: float, joint: str = " to ") -> str:
    """`0.79 to 2.25`, to stand beside the `1.62x` in between."""
    return f"{_factor(low)}{joint}{_factor(high)}"


def _factor(value: float) -> str:
    return f"{value:.2f}" if value == 0 or 0.01 <= value < 1000 else f"{value:.3g}"


def ranges(ids: Sequence[int]) -> str:
    """`1-3, 7` for 1, 2, 3, 7."""
    runs: list[list[int]] = []
    for this in sorted(ids):
        if runs and this == runs[-1][1] + 1:
            runs[-1][1] = this
        else:
            runs.append([this, this])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
