"""A simulated cluster that a health policy watches and changes.

Time goes on in intervals. In each the topology runs under its plan in the discrete-event simulation
for a few seconds, which stand for the whole interval; an update pauses it for a fixed time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from packing.key_skew import KeyWeights
from packing.model import structure
from packing.plan import Plan
from packing.profile import Profile
from packing.simulation import ComponentLoad, Mechanics, SimulatedLoad, StreamLoad, simulate
from packing.simulation.mechanics import KIB
from packing.simulation.result import SimulationResult
from packing.topology import Kind, Topology

from .observation import Metrics, Observation

INTERVAL_S = 60.0
"""How often a policy looks; `health.policy.interval.ms` of Heron's examples."""
PAUSE_S = 30.0
"""The topology stands still that long at an update: spouts are deactivated, containers restart."""
SAME_LOAD = 0.05
"""By how much of itself it may change."""
WARM_UP_S = 6.0
WINDOW_S = 4.0
MARK_S = 0.06
"""High water marks hold what is emitted in that time: small, so that a few seconds show the
back-pressure which takes minutes with Heron's 100 MB, and larger than what one drain brings."""
SMALL_BUFFERS = replace(Mechanics(), socket_bytes=16 * KIB, peer_socket_bytes=64 * KIB)


@dataclass
class SimulatedWorld:
    """The topology as it really is. Policies see it through observations only."""

    topology: Topology
    profile: Profile
    plan: Plan
    offered: Callable[[float], float] = lambda _now_s: 1.0
    """Offered rate over the profile's, by time in seconds."""
    mechanics: Mechanics = SMALL_BUFFERS
    now_s: float = 0.0
    back_pressure_s: float = 0.0
    tuples_held: float = 0.0
    """Tuples that were due while an update stood in the way."""
    instance_seconds: float = 0.0
    seed: int = 0
    quiet_s: float = INTERVAL_S
    """How much time one look stands for while all is well and the load stays about the same."""

    def interval(self) -> Observation:
        """Let one interval pass and tell what was seen."""
        factor = self.offered(self.now_s)
        result = self._simulate(factor)
        offered = self._offered(factor)
        metrics = metrics_of(result)
        healthy = metrics.healthy(offered)
        later = self.offered(self.now_s + self.quiet_s)
        quiet = healthy and abs(later - factor) < SAME_LOAD * factor
        passed_s = self.quiet_s if quiet else INTERVAL_S
        self.now_s += passed_s
        self.back_pressure_s += result.back_pressure * passed_s
        self.instance_seconds += self.plan.instance_count * passed_s
        return Observation(self.now_s, self.plan, factor, metrics, healthy)

    def update(self, plan: Plan) -> None:
        """Deploy another plan."""
        self.tuples_held += self._offered(self.offered(self.now_s)) * PAUSE_S
        self.now_s += PAUSE_S
        self.plan = plan

    def _running(self) -> Topology:
        return self.topology.with_parallelism(self.plan.parallelism)

    def _offered(self, factor: float) -> float:
        """Tuples/s that the sinks would execute."""
        return structure(self._running(), self.profile).sink_per_s * factor

    def _simulate(self, factor: float) -> SimulationResult:
        running, profile = self._running(), self.profile
        of = structure(running, profile)
        high = max(8 * KIB, MARK_S * float(of.emit_bytes_per_s.sum()) * factor)
        mechanics = replace(self.mechanics, high_water_bytes=high, low_water_bytes=high / 2)
        self.seed += 1
        return simulate(
            running, self.plan, load_of(running, profile, factor), mechanics,
            seed=self.seed, warmup_s=WARM_UP_S, window_s=WINDOW_S,
        )  # fmt: skip


def metrics_of(result: SimulationResult) -> Metrics:
    """What sensors see of a simulation."""
    return Metrics(
        busy=result.busy,
        executes_per_s=result.executes_per_s,
        emits_per_s=result.emits_per_s,
        waiting_tuples=result.waiting_tuples,
        back_pressure_causes=result.back_pressure_causes.astype(np.float64),
        back_pressure=result.back_pressure,
        throughput_per_s=result.throughput_per_s,
    )


def load_of(topology: Topology, profile: Profile, factor: float) -> SimulatedLoad:
    """The profile at `factor` times its rate; keyed streams by their histogram, if one is known."""
    components = {
        c.name: ComponentLoad(
            rate_per_s=profile.rate_per_s[c.name] * factor if c.kind is Kind.SPOUT else None,
            cpu_s=profile.service_s.get(c.name, 0.0),
        )
        for c in topology.components
    }
    streams = {}
    for stream in topology.streams:
        key = (stream.source, stream.target, stream.stream_id)
        weights = profile.key_weights.get(key)
        shares = None
        if isinstance(weights, KeyWeights):
            shares = tuple(weights.shares(topology.parallelism[stream.target]).tolist())
        streams[key] = StreamLoad(
            selectivity=profile.selectivity.get(key, 1.0),
            tuple_bytes=profile.tuple_bytes.get(key, 200.0),
            shares=shares,
        )
    return SimulatedLoad(components, streams)
