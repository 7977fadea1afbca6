"""What the simulated topology is asked to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from packing.profile import Profile, StreamKey
from packing.topology import Kind, Topology


@dataclass(frozen=True)
class ComponentLoad:
    """Work of one component's instances."""

    rate_per_s: float | None = None
    """Spout: base tuples/s that each instance emits; infinite = as fast as it can. Bolt: None."""
    poisson: bool = False
    """Spout: exponential gaps between tuples instead of equal ones."""
    cpu_s: float = 0.0
    """CPU of user code per tuple executed (spout: per base tuple), mean."""
    cpu_scv: float = 0.0
    """Squared coefficient of variation of that: 0 = always the same, else gamma-distributed."""
    wait_s: float = 0.0
    """Time per tuple in which the executor thread waits without using CPU."""

    def __post_init__(self) -> None:
        """Refuse impossible numbers."""
        for name in ("cpu_s", "cpu_scv", "wait_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}; it must be finite and 0 or more")
        if self.rate_per_s is not None and not self.rate_per_s >= 0:
            raise ValueError(f"rate_per_s is {self.rate_per_s}; it must be 0 or more")


@dataclass(frozen=True)
class StreamLoad:
    """Tuples of one stream, see packing.topology.Stream."""

    selectivity: float = 1.0
    """Tuples emitted per tuple executed (spout: per base tuple). By deterministic accumulation."""
    tuple_bytes: float = 200.0
    """Serialised size of a tuple, all of it."""
    shares: tuple[float, ...] | None = None
    """FIELDS, DIRECT and CUSTOM: share of the tuples that each instance of the target gets, in the
    order of task ids; each tuple's target is drawn independently. None = equal shares."""


@dataclass(frozen=True)
class SimulatedLoad:
    """Load of a topology and the machines under it. Components and streams left out do nothing."""

    components: Mapping[str, ComponentLoad]
    streams: Mapping[StreamKey, StreamLoad] = field(default_factory=dict)
    """Subscriptions that share source and stream id must agree in selectivity and size to be one
    emission; otherwise each is emitted on its own."""
    acking: bool = False
    max_spout_pending: int | None = None
    """Unacked tuples per spout instance; only with acking."""
    quota_cores: Mapping[int, float] | float | None = None
    """CPU quota per container id, or one for all; None or a missing id = no quota."""
    host_cores: float = math.inf
    """Cores of each host."""
    hosts: Mapping[int, int] | None = None
    """Container id -> host; None = each container has a host of its own."""

    @staticmethod
    def from_profile(
        topology: Topology,
        profile: Profile,
        *,
        scale: float = 1.0,
        acking: bool = False,
        max_spout_pending: int | None = None,
        quota_cores: Mapping[int, float] | float | None = None,
        host_cores: float = math.inf,
        hosts: Mapping[int, int] | None = None,
    ) -> SimulatedLoad:
        """The load that a profile states, with every spout at `scale` times its rate.

        A spout without a rate emits nothing; service times are deterministic and all CPU.
        """
        components = {
            c.name: ComponentLoad(
                rate_per_s=(
                    profile.rate_per_s.get(c.name, 0.0) * scale if c.kind is Kind.SPOUT else None
                ),
                cpu_s=profile.service_s.get(c.name, 0.0),
            )
            for c in topology.components
        }
        default = StreamLoad()
        keys = [(s.source, s.target, s.stream_id) for s in topology.streams]
        streams = {
            key: StreamLoad(
                selectivity=profile.selectivity.get(key, default.selectivity),
                tuple_bytes=profile.tuple_bytes.get(key, default.tuple_bytes),
            )
            for key in keys
        }
        return SimulatedLoad(
            components, streams, acking, max_spout_pending, quota_cores, host_cores, hosts
        )
