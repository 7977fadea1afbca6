"""The rate on offer: what is known of it while spouts are held back, and how spouts share it.

While a stream manager holds the spouts back (Heron's stream manager: its buffer for one connection
is above the high water mark) it does not read from them. What waits in spouts, their queues and
their sockets meanwhile comes at once afterwards, and fills the buffer again sooner than the offered
rate would. So the share of time in back-pressure says what is on offer only where the water marks
are much farther apart than what spouts emit while they are not read; else it says next to nothing:
it is near 1 for any overload. Emission over the rest of the time is an upper bound all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from packing.errors import InvalidRequest
from packing.profile import Origin, Profile, Source
from packing.topology import Kind, Topology

MOST_HELD_BACK = 0.95
"""Share of time in back-pressure up to which the rest of the time bounds the offered rate."""
LARGEST_STEP = 2.0
"""Times what got through that is taken for offered at most, where only back-pressure tells: twice
what is needed is then never started, and the next look at the topology knows more."""
SAME_RATE = 1.01
"""A stated rate may be this many times beyond a bound: counters are read at different moments."""


@dataclass(frozen=True)
class OfferedRate:
    """Bounds of the rate that spouts would emit if nothing held them back, in tuples/s."""

    low_per_s: float
    """What they did emit: what is offered is not less for long."""
    high_per_s: float
    """That over the share of time in which they were read; infinite if there was next to none."""

    @staticmethod
    def held_back(emitted_per_s: float, share: float) -> OfferedRate:
        """From what spouts emitted while they were held back for a share of the time."""
        if share > MOST_HELD_BACK:
            return OfferedRate(emitted_per_s, math.inf)
        return OfferedRate(emitted_per_s, emitted_per_s / (1.0 - share))

    def estimate(self, declared_per_s: float | None = None) -> float:
        """The rate to plan for: as declared, if what was seen allows it; else the upper bound, but
        no more than `LARGEST_STEP` times what got through.
        """
        low, high = self.low_per_s / SAME_RATE, self.high_per_s * SAME_RATE
        if declared_per_s is not None and low <= declared_per_s <= high:
            return declared_per_s
        return min(self.high_per_s, LARGEST_STEP * self.low_per_s)


def declared_rate(topology: Topology, profile: Profile) -> float | None:
    """Tuples/s over all instances of the spouts as their developers say; None unless they do."""
    spouts = [c for c in topology.components if c.kind is Kind.SPOUT]
    for spout in spouts:
        stated = spout.name in profile.rate_per_s
        if not stated or profile.origin_of("rate_per_s", spout.name).source is not Source.DECLARED:
            return None
    return sum(profile.rate_per_s[c.name] * c.parallelism for c in spouts)


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
