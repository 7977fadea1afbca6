"""How the topology runs: what the cluster enforces and how Heron is configured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Runtime:
    """Settings of a running Heron that decide about capacity and latency. Defaults are Heron's."""

    acking: bool = False
    max_spout_pending: int | None = None
    """Tuples in flight per spout instance; counts only with acking."""
    enforced_quotas: bool = True
    """Containers cannot use more than their cores."""
    host_cores: float | None = None
    """Cores shared by all containers; None where each has its own machine or share."""
    drain_period_s: float = 0.02408
    """How long a stream manager gathers tuples for one destination: every second tick of its 10 ms
    timer, which fires every 12.04 ms on a kernel with HZ=250 (tuple-cache.cpp; measured)."""
    hop_s: float = 0.003
    """Way of a tuple through an instance's socket and back, beside the wait for the drain."""
    quota_period_s: float = 0.1
    """Period of the CPU quota (CFS bandwidth control)."""
    metrics_interval_s: float = 60.0
    """How often a container's metrics manager exports (`heron.metrics.export.interval.sec`)."""
    metrics_export_s: float = 0.07
    """CPU of one export, in one go: under a tight quota the burst stalls the instances."""
    high_water_bytes: float = 100 * 2**20
    low_water_bytes: float = 50 * 2**20
    simple_jit: bool = False
    """The JVM compiles with the first tier only (-XX:TieredStopAtLevel=1)."""
    warming_up: bool = False
    """Within the first minutes, while an optimising JVM still compiles."""
    spout_packets_per_s: float = 850.0
    """A spout that parks a millisecond when nothing is due comes round this often."""
