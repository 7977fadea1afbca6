"""What a plan would do, on the wire."""

from __future__ import annotations

from bridge.wire import packing_bridge_pb2 as wire
from packing.disruption import Disruption
from packing.model import Prediction
from packing.model.memory import ComponentMemory
from packing.model.uncertainty import Interval, Intervals

INTERVALS = (
    "sustainable_load_factor",
    "throughput_per_s",
    "latency_mean_s",
    "highest_cpu_utilisation",
)
"""Figures that have an interval: names in `Intervals`; on the wire with `_interval` behind."""


def prediction_to_message(
    prediction: Prediction, intervals: Intervals | None = None
) -> wire.Prediction:
    """A prediction on the wire, with the intervals of its figures where they were computed."""
    when = prediction.latency
    message = wire.Prediction(
        sustainable_load_factor=prediction.sustainable_load_factor,
        bottleneck=prediction.bottleneck,
        traffic_tuples_per_s=prediction.traffic_tuples_per_s,
        cross_tuples_per_s=prediction.cross_tuples_per_s,
        cross_fraction=prediction.cross_fraction,
        containers=prediction.containers,
        cores=prediction.cores,
        ram_bytes=prediction.ram_bytes,
        load_max_over_mean=prediction.load_max_over_mean,
        highest_cpu_utilisation=prediction.highest_cpu_utilisation,
        stream_manager_max_tuples_per_s=prediction.stream_manager_max_tuples_per_s,
        latency_mean_s=None if when is None else when.mean_s,
        latency_p99_s=None if when is None else when.p99_s,
        delivered_load_factor=prediction.delivered_load_factor,
        throughput_per_s=prediction.throughput_per_s,
        runner_up=prediction.runner_up,
        latency_p50_s=None if when is None else when.p50_s,
        back_pressure_share=prediction.back_pressure_share,
        container_cpu_cores=prediction.container_cpu_cores,
        memory=[_memory(component) for component in prediction.memory],
        risks=prediction.risks,
    )
    if intervals is not None:
        for name in INTERVALS:
            found: Interval = getattr(intervals, name)
            getattr(message, f"{name}_interval").MergeFrom(
                wire.Interval(
                    low=found.low, median=found.median, high=found.high, level=found.level
                )
            )
    return message


def _memory(of: ComponentMemory) -> wire.ComponentMemory:
    return wire.ComponentMemory(
        component=of.component,
        used_bytes=of.used_bytes,
        granted_bytes=of.granted_bytes,
        heap_bytes=of.heap_bytes,
        live_bytes=of.live_bytes,
        gc_share=of.gc_share,
        enough_bytes=of.enough_bytes,
    )


def disruption_to_message(disruption: Disruption) -> wire.Disruption:
    """What an update touches."""
    return wire.Disruption(
        moved_instances=disruption.restarted_instances,
        started_instances=disruption.started_instances,
        stopped_instances=disruption.stopped_instances,
        containers_added=disruption.containers_added,
        containers_removed=disruption.containers_removed,
    )
