"""Planners: each answers a request with a plan.

A planner is anything callable from a request to a plan (`packing.planners.protocol.Planner`); one
that has several plans to choose from is a `Proposer`.
Other distributions add theirs through the entry point group `heron_bridge.planners`; the bridge
looks those up, so that this package stays free of the file system.
"""

from collections.abc import Mapping
from types import MappingProxyType

from packing.planners.first_fit_decreasing import first_fit_decreasing
from packing.planners.protocol import Planner, Proposer
from packing.planners.resource_compliant_rr import resource_compliant_rr
from packing.planners.round_robin import round_robin
from packing.planners.search_plans import SearchPlans
from packing.planners.stream_affinity import stream_affinity

BUILT_IN: Mapping[str, Planner] = MappingProxyType(
    {
        "round_robin": round_robin,
        "resource_compliant_rr": resource_compliant_rr,
        "first_fit_decreasing": first_fit_decreasing,
        "stream_affinity": stream_affinity,
        "search": SearchPlans(),
    }
)
"""Planners by name, Heron's own three first."""

__all__ = ["BUILT_IN", "Planner", "Proposer"]
