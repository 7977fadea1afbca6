"""How good any plan for a request can be: proved bounds, so that a plan comes with its gap.

`bounds_for` is the one entry; `gaps` tells how far a plan is from them.
"""

from packing.bounds.bound import Bound
from packing.bounds.limits import PlanLimits
from packing.bounds.request_bounds import Bounds, Gaps, bounds_for, gaps

__all__ = ["Bound", "Bounds", "Gaps", "PlanLimits", "bounds_for", "gaps"]
