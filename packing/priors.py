"""What is taken for a quantity of which nothing is known, how far off it may be, and why.

A prior is no claim: whatever rests on one is called assumed, and its spread is wide enough that an
interval over it says how little is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


def relative_sd_of_factor(factor: float) -> float:
    """Standard deviation over mean of a log-normal whose median is off by `factor` at one sigma."""
    return math.sqrt(math.expm1(math.log(factor) ** 2))


@dataclass(frozen=True)
class Prior:
    """A value, the factor by which two thirds of the truth lie within it, and the reason."""

    value: float
    factor: float
    why: str

    @property
    def relative_sd(self) -> float:
        """The spread as a relative standard deviation of a log-normal."""
        return relative_sd_of_factor(self.factor)


RATE_PER_S = Prior(
    1000.0,
    10.0,
    "1,000 tuples/s per spout instance, give or take a factor of 10: sources differ by orders of "
    "magnitude, and nothing about a topology tells which",
)
SERVICE_S = Prior(
    1e-4,
    5.0,
    "100 us of CPU per tuple, give or take a factor of 5: parsing, a map look-up or a filter takes "
    "tens of us, a codec or a model evaluation hundreds",
)
SERVICE_SCV = Prior(
    1.0,
    2.0,
    "service times vary like an exponential distribution (squared coefficient of variation 1, "
    "mostly 0.5 to 2): constant work has less, work that depends on the tuple more",
)
SELECTIVITY = Prior(
    1.0,
    2.0,
    "one tuple out per tuple in, give or take a factor of 2: true of maps, too many for filters "
    "and aggregates, too few for splitters",
)
TUPLE_BYTES = Prior(
    200.0,
    3.0,
    "200 bytes per serialised tuple, give or take a factor of 3: a few fields of text with their "
    "headers",
)
