"""What makes one valid plan better than another.

A score is a tuple, compared from the left; lower is better. Its parts are rounded, so that a
difference nobody could measure does not outweigh the next part.

- `throughput`: pressure, then cross traffic, cores, restarts.
- `latency`: pressure, then tuples through the busiest stream manager, cross traffic, restarts.
- `cost`: cores, RAM, then pressure, cross traffic, restarts.
- `traffic`: cross traffic, then pressure, cores, restarts.
- `balanced`: the sum of pressure, cross traffic and size, each over Heron's own plan, and of the
  share of surviving instances that restart; then pressure. Size is the mean of cores and RAM.

*Pressure* is offered load over sustainable load. Where the load is not known it is how far the
fullest container is above the mean, judged by the CPU that instances ask for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packing.disruption import Disruption
from packing.errors import InvalidRequest
from packing.model import Prediction

OBJECTIVES: Mapping[str, str] = {
    "throughput": "carry the most load",
    "latency": "keep queues and stream managers short",
    "cost": "use the fewest cores and the least RAM",
    "balanced": "weigh load, cross traffic, size and restarts alike",
    "traffic": "keep tuples inside containers",
}
DEFAULT_OBJECTIVE = "balanced"

HEADROOM = 0.2
"""Share of capacity above the offered load beyond which more of it is worth nothing extra."""

Score = tuple[float, ...]


@dataclass(frozen=True)
class Reference:
    """Figures of the plan that others are measured against: Heron's own."""

    pressure: float
    cross_tuples_per_s: float
    cores: float
    ram_bytes: float


def check_objective(name: str) -> str:
    """`name` itself, the default for an empty one; InvalidRequest for one that does not exist."""
    if not name:
        return DEFAULT_OBJECTIVE
    if name not in OBJECTIVES:
        raise InvalidRequest(f"objective {name!r} does not exist; use {', '.join(OBJECTIVES)}")
    return name


def pressure(prediction: Prediction) -> float:
    """Offered over sustainable load; imbalance of requested CPU where the load is not known."""
    factor = prediction.sustainable_load_factor
    if factor is None:
        return prediction.load_max_over_mean
    return 1.0 / factor if factor > 0 else float("inf")


def reference(prediction: Prediction) -> Reference:
    """What `balanced` divides by."""
    return Reference(
        pressure(prediction),
        prediction.cross_tuples_per_s,
        prediction.cores,
        float(prediction.ram_bytes),
    )


def score(
    objective: str, prediction: Prediction, disruption: Disruption | None, against: Reference
) -> Score:
    """Score of a plan under an objective; lower is better."""
    pressed = round(pressure(prediction), 3)
    crossing = round(prediction.cross_fraction, 5)
    cores = round(prediction.cores, 3)
    restarts = 0.0 if disruption is None else float(disruption.restarted_instances)
    if objective == "throughput":
        return (pressed, crossing, cores, restarts)
    if objective == "latency":
        busiest = round(prediction.stream_manager_max_tuples_per_s, 1)
        return (pressed, busiest, crossing, restarts)
    if objective == "cost":
        return (cores, float(prediction.ram_bytes), pressed, crossing, restarts)
    if objective == "traffic":
        return (crossing, pressed, cores, restarts)
    survivors = 0 if disruption is None else disruption.survivors
    total = (
        _over(pressure(prediction), against.pressure)
        + _over(prediction.cross_tuples_per_s, against.cross_tuples_per_s)
        + _over(prediction.cores, against.cores) / 2
        + _over(prediction.ram_bytes, against.ram_bytes) / 2
        + (restarts / survivors if survivors else 0.0)
    )
    return (round(total, 4), pressed)


def _over(value: float, base: float) -> float:
    """Ratio to a base; 1 where both are 0 or both infinite."""
    if value == base:
        return 1.0
    return value / base if base > 0 else 1.0 + value
