"""Times per tuple of user code alone, where what is known is what a whole instance takes."""

from __future__ import annotations

from dataclasses import replace

from packing.model.costs import HeronCosts
from packing.model.demand import work
from packing.model.runtime import Runtime
from packing.model.structure import structure
from packing.profile import Profile
from packing.topology import Kind, Topology


def user_times(
    profile: Profile, topology: Topology, costs: HeronCosts, runtime: Runtime
) -> Profile:
    """`profile` less what Heron itself does per tuple in a bolt's thread, at least 0.

    "An instance gets through 1,000 tuples/s" is a time per tuple that includes receiving,
    deserialising and serialising. Those costs are added back by the model, so that the instance
    still gets through as many, and what its container needs is split between the two.
    """
    idle = replace(profile, service_s=dict.fromkeys(profile.service_s, 0.0), wait_s={})
    overhead_s = work(structure(topology, idle), costs, runtime).service_s
    service_s = dict(profile.service_s)
    for component, heron_s in zip(topology.components, overhead_s.tolist(), strict=True):
        if component.kind is Kind.BOLT and component.name in service_s:
            service_s[component.name] = max(0.0, service_s[component.name] - heron_s)
    return replace(profile, service_s=service_s)
