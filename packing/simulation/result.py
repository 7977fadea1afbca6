"""What a simulation has measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, Ints
from packing.simulation.layout import BIN_FLOOR_S, BIN_RATIO, BINS


@dataclass(frozen=True, eq=False)
class Latency:
    """Distribution of a latency in seconds; without samples every figure is NaN."""

    count: int
    mean_s: float
    """Exact, not from the bins."""
    bins: Ints
    """Counts per bin of 2 % width, see `edges_s`."""

    @staticmethod
    def edges_s() -> Floats:
        """Lower edges of the bins, shape (bins,)."""
        return np.asarray(BIN_FLOOR_S * BIN_RATIO ** np.arange(BINS), dtype=np.float64)

    def quantile_s(self, share: float) -> float:
        """The latency that `share` of the tuples do not exceed, to 1 %."""
        if not self.count:
            return float("nan")
        k = int(np.searchsorted(np.cumsum(self.bins), share * self.count))
        return float(self.edges_s()[min(k, BINS - 1)] * BIN_RATIO**0.5)


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """Means over the measuring window.

    Instances in the plan's order, shape (n,); containers in the plan's order, shape (C,).
    """

    window_s: float
    executes_per_s: Floats
    """Tuples executed by each instance; 0 for spouts."""
    emits_per_s: Floats
    """Tuples emitted by each instance, before they are copied to several readers."""
    executes_per_s_second_half: Floats
    emits_per_s_second_half: Floats
    busy: Floats
    """Share of the window in which the executor thread was in user code, its overheads or waits,
    whether it had a core or not."""
    instance_cores: Floats
    """CPU of executor and gateway, idle costs included."""
    waiting_tuples: Floats
    """Time average of the tuples between stream manager and executor, per instance."""
    waiting_s: Floats
    """Mean time a tuple spends there; NaN without tuples. Little's law ties the two."""
    arrival_latency_s: Floats
    """Mean from creation to the start of execute; NaN without tuples."""
    packets_in_per_s: Floats
    packets_out_per_s: Floats
    back_pressure_causes: Ints
    """How often the connection of each instance started back-pressure."""
    pending_tuples: Floats
    """Time average of unacked tuples per spout instance; 0 without acking."""
    complete_latency_s: Floats
    """Mean time from emit to ack per spout instance; NaN without acks."""
    acks_per_s: Floats
    container_cores: Floats
    """CPU of instances, stream manager and background."""
    throttled_share: Floats
    """Share of the window in which the quota held the container still."""
    throttled_periods_share: Floats
    """Share of the quota's periods in which that happened (cpu.stat: nr_throttled / nr_periods)."""
    stmgr_cores: Floats
    stmgr_tuples_per_s: Floats
    """Tuples that each stream manager read from its instances and its peers."""
    stmgr_sets_per_s: Floats
    """Tuple sets that each drain sent on."""
    back_pressure_initiated: Floats
    """Share of the window in which each stream manager had announced back-pressure."""
    back_pressure: float
    """Share of the window in which any had: spouts are not read."""
    throughput_per_s: float
    """Executes/s of all sink instances (components that no stream leaves)."""
    throughput_per_s_first_half: float
    throughput_per_s_second_half: float
    sink_latency: Mapping[str, Latency]
    """Per sink component: creation to end of execute."""
    tuples: int
    """Executes simulated in all, warm-up included."""
    events: int

    @property
    def steadiness(self) -> float:
        """Throughput of the second half over the first; 1 = steady; NaN without throughput."""
        if not self.throughput_per_s_first_half:
            return float("nan")
        return self.throughput_per_s_second_half / self.throughput_per_s_first_half
