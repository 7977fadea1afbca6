"""How good any plan for a request can be: proved bounds, so that a plan comes with its gap.

`bounds_for` is the one entry, `bounds_within` the same for limits of the caller's own; `gaps` tells
how far a plan is from them.
"""

from packing.bounds.bound import Bound
from packing.bounds.limits import PlanLimits
from packing.bounds.request_bounds import (
    QUICK,
    Bounds,
    Effort,
    Gaps,
    bounds_for,
    bounds_within,
    gaps,
)

__all__ = [
    "QUICK",
    "Bound",
    "Bounds",
    "Effort",
    "Gaps",
    "PlanLimits",
    "bounds_for",
    "bounds_within",
    "gaps",
]
