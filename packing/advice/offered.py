"""A total rate as the rates of spout instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from packing.errors import InvalidRequest
from packing.profile import Origin, Profile, Source
from packing.topology import Kind, Topology


def spout_rates(topology: Topology, profile: Profile, rate_per_s: float) -> dict[str, float]:
    """Tuples/s of each spout, all its instances together, that sum to `rate_per_s`.

    In the profile's proportion at the topology's parallelism. Where rates are unknown or all 0,
    spout instances share alike.
    """
    spouts = [c for c in topology.components if c.kind is Kind.SPOUT]
    known = all(c.name in profile.rate_per_s for c in spouts)
    weights = {
        c.name: (profile.rate_per_s[c.name] if known else 1.0) * c.parallelism for c in spouts
    }
    if not any(weights.values()):
        weights = {c.name: float(c.parallelism) for c in spouts}
    total = sum(weights.values())
    return {name: rate_per_s * weight / total for name, weight in weights.items()}


def offering(
    profile: Profile, rates: Mapping[str, float], parallelism: Mapping[str, int]
) -> Profile:
    """`profile` in which the instances of each spout together emit its rate of `rates`."""
    asked = Origin(Source.DECLARED, 0.0, "the rate that was asked about")
    return replace(
        profile,
        rate_per_s={name: rate / parallelism[name] for name, rate in rates.items()},
        origin={**profile.origin, **{("rate_per_s", name): asked for name in rates}},
    )


def check_known(topology: Topology, profile: Profile) -> None:
    """Raise InvalidRequest naming what must be known before advice can be given."""
    unknown = [name for name in topology.names if not profile.knows("service_s", name)]
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        raise InvalidRequest(
            f"nothing is known of the time per tuple of {names}, so no parallelism follows from a "
            "rate; state service times in the workload or in a profile (service_ms of each "
            "component, 0 for one that does next to nothing)"
        )
