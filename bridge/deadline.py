"""How much time the request in hand has left.

A worker notes it for each request, so that planning, which reads no clock, can be told to end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextvars import ContextVar

SHARE_FOR_PLANNING = 0.6
"""Part of a request's time after which nothing new is begun; the rest is for what has begun, and
for the way back."""

_given: ContextVar[tuple[float, float]] = ContextVar("given", default=(0.0, math.inf))


def begin(budget_s: float) -> None:
    """Note that the request in hand has this long from now on; infinite for no deadline."""
    _given.set((time.monotonic(), budget_s))


def nearly_over() -> Callable[[], bool]:
    """A function that tells whether the request in hand should come to an end."""
    started_s, budget_s = _given.get()
    ends_s = started_s + SHARE_FOR_PLANNING * budget_s
    return lambda: time.monotonic() >= ends_s
