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
    selectivity_by_input: Mapping[StreamKey, float] = field(default_factory=dict)
    """The same for tuples from one input stream, where it differs."""
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

        A spout without a rate emits nothing, a component without service time costs nothing. The
        profile's variability is that of CPU and wait together; here the CPU part carries it all.
        Shares of keys count only at the parallelism they were measured at; else equal shares.
        """
        components = {}
        for c in topology.components:
            cpu_s, wait_s = profile.service_s.get(c.name, 0.0), profile.wait_s.get(c.name, 0.0)
            scv = profile.service_scv.get(c.name, 0.0)
            components[c.name] = ComponentLoad(
                rate_per_s=(
                    profile.rate_per_s.get(c.name, 0.0) * scale if c.kind is Kind.SPOUT else None
                ),
                cpu_s=cpu_s,
                cpu_scv=scv * ((cpu_s + wait_s) / cpu_s) ** 2 if cpu_s > 0 else 0.0,
                wait_s=wait_s,
            )
        default = StreamLoad()
        streams = {}
        for key in ((s.source, s.target, s.stream_id) for s in topology.streams):
            shares = profile.key_shares.get(key)
            if shares is not None and len(shares) != topology.parallelism[key[1]]:
                shares = None
            streams[key] = StreamLoad(
                selectivity=profile.selectivity.get(key, default.selectivity),
                selectivity_by_input={
                    read: value
                    for (written, read), value in profile.input_selectivity.items()
                    if written == key
                },
                tuple_bytes=profile.tuple_bytes.get(key, default.tuple_bytes),
                shares=shares,
            )
        return SimulatedLoad(
            components, streams, acking, max_spout_pending, quota_cores, host_cores, hosts
        )
