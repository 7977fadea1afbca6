"""How long a call takes, as the tables state it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

FEW = 3

Result = TypeVar("Result")


def timed(
    call: Callable[[], Result],
    repeats: int = FEW,
    figure: Callable[[Sequence[float]], float] = min,
) -> tuple[Result, float]:
    """What a call returns, and the shortest (or another figure) of its runs in ms of wall clock."""
    took_s = []
    for _ in range(repeats):
        started_s = time.perf_counter()
        found = call()
        took_s.append(time.perf_counter() - started_s)
    return found, 1000 * figure(took_s)


def best_ms(call: Callable[[], object], repeats: int = FEW) -> float:
    """The shortest of its runs in ms of wall clock."""
    return timed(call, repeats)[1]
