"""What advice is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from packing.constraints import MAX_INT
from packing.errors import InvalidRequest
from packing.flows import MAX_RATE_PER_S

HEADROOM = 0.2
MAX_HEADROOM = 0.95
"""With more, a mistyped percentage is likelier than a wish."""


@dataclass(frozen=True)
class RateGoal:
    """A rate to carry, and how safely. Raises InvalidRequest for numbers that cannot be."""

    rate_per_s: float
    """Tuples/s over all instances of all spouts."""
    headroom: float = HEADROOM
    """Share of capacity that stays free, as predicted."""
    probability: float | None = None
    """With which the rate itself is carried, given what is not known exactly. None: the headroom is
    all the margin there is, and the prediction decides."""
    latency_p99_limit_s: float | None = None
    container_count: int | None = None
    """None: ours to choose."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, naming the value."""
        if not (math.isfinite(self.rate_per_s) and 0 < self.rate_per_s <= MAX_RATE_PER_S):
            raise InvalidRequest(
                f"the rate is {self.rate_per_s} tuples/s; state the tuples per second over all "
                f"instances of the spouts, above 0 and at most {MAX_RATE_PER_S:g}"
            )
        if not 0 <= self.headroom <= MAX_HEADROOM:  # also true for what is not a number
            raise InvalidRequest(
                f"the headroom is {self.headroom}; it is the share of capacity to keep free, from "
                f"0 to {MAX_HEADROOM}: 0.2 for 20 %"
            )
        if self.probability is not None and not 0 <= self.probability < 1:
            raise InvalidRequest(
                f"the probability is {self.probability}; it must be at least 0 and below 1, such "
                "as 0.9"
            )
        limit = self.latency_p99_limit_s
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise InvalidRequest(f"the limit of the latency is {limit} s; it must be above 0")
        count = self.container_count
        if count is not None and not 1 <= count <= MAX_INT:
            raise InvalidRequest(f"the number of containers is {count}; it must be 1 or more")

    @property
    def demanded_probability(self) -> float:
        """The probability asked for; 0 where the prediction alone decides."""
        return self.probability or 0.0

    @property
    def load_factor(self) -> float:
        """What a plan must sustain, over the rate."""
        return 1.0 / (1.0 - self.headroom)
