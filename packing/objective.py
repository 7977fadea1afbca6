"""What makes one valid plan better than another.

A score is a tuple, compared from the left; lower is better. Its parts are rounded, so that a
difference nobody could measure does not outweigh the next part.

Every objective but `traffic` asks first whether the plan carries the load: the load that it
sustains with a probability (`Enough.probability`) should be at least the offered one plus headroom
(`Enough.headroom`). The *shortfall* is what is missing of that, 0 for all plans that carry enough.
Then:

- `throughput`: pressure, cross traffic, cores, restarts.
- `latency`: mean and 99th percentile, each over those of Heron's own plan; then tuples through the
  busiest stream manager, cross traffic, restarts.
- `cost`: cores, RAM, containers, pressure, cross traffic, restarts.
- `balanced`: the sum of four equal parts, then pressure. Pressure; size (mean of cores, RAM and
  containers); exchange (mean of cross traffic, tuples through the busiest stream manager and mean
  latency), each over those of Heron's own plan; and the share of surviving instances that restart.
- `traffic`: cross traffic, shortfall, pressure, cores, restarts.

*Pressure* is offered load over sustainable load as predicted. Where the load is not known it is how
far the fullest container is above the mean, judged by the CPU that instances ask for, and nothing
is known of a shortfall.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from packing.arrays import Floats
from packing.disruption import Disruption
from packing.errors import InvalidRequest
from packing.model import Prediction

OBJECTIVES: Mapping[str, str] = {
    "throughput": "carry the most load",
    "latency": "keep queues and ways short, for a load that is carried",
    "cost": "use the fewest cores and the least RAM that carry the load",
    "balanced": "weigh load, size, exchange between containers and restarts alike",
    "traffic": "keep tuples inside containers",
}
DEFAULT_OBJECTIVE = "balanced"

HEADROOM = 0.2
"""Share of capacity above the offered load beyond which more of it is worth nothing extra."""
PROBABILITY = 0.9
"""With which a plan should have it."""
MAX_HEADROOM = 100.0
SHORTFALL_DIGITS = 2
"""The model's own error between two plans is a few per cent."""

Score = tuple[float, ...]


@dataclass(frozen=True)
class Enough:
    """The load that a plan should carry. Raises InvalidRequest for figures that cannot be meant."""

    headroom: float = HEADROOM
    """Share above the offered load."""
    probability: float = PROBABILITY
    """Of carrying that much, over what the profile's numbers may really be."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not 0 <= self.headroom <= MAX_HEADROOM:
            raise InvalidRequest(
                f"the headroom is {self.headroom:g}; it must be from 0 to {MAX_HEADROOM:g}, as a "
                "share of the offered load"
            )
        if not 0 < self.probability < 1:
            raise InvalidRequest(
                f"the probability of carrying the load is {self.probability:g}; it must be above 0 "
                "and below 1"
            )

    @property
    def load_factor(self) -> float:
        """Times the offered load."""
        return 1.0 + self.headroom

    def assured(self, sustainable_draws: Floats) -> float:
        """Load factor that is sustained with the probability: a quantile of the draws."""
        tail = 1.0 - self.probability
        return float(np.quantile(sustainable_draws, tail, method="inverted_cdf"))

    def shortfall(self, assured: float) -> float:
        """Share of the load to carry that is missing, rounded; 0 for enough."""
        return round(max(0.0, 1.0 - assured / self.load_factor), SHORTFALL_DIGITS)


ENOUGH = Enough()


@dataclass(frozen=True)
class Reference:
    """Figures of the plan that others are measured against: Heron's own."""

    pressure: float
    cross_tuples_per_s: float
    cores: float
    ram_bytes: float
    containers: float = 1.0
    stream_manager_max_tuples_per_s: float = 0.0
    latency_mean_s: float | None = None
    latency_p99_s: float | None = None


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
    return 1.0 / factor if factor > 0 else math.inf


def reference(prediction: Prediction) -> Reference:
    """What figures are divided by."""
    when = prediction.latency
    return Reference(
        pressure(prediction),
        prediction.cross_tuples_per_s,
        prediction.cores,
        float(prediction.ram_bytes),
        float(prediction.containers),
        prediction.stream_manager_max_tuples_per_s,
        None if when is None else when.mean_s,
        None if when is None else when.p99_s,
    )


def score(
    objective: str,
    prediction: Prediction,
    disruption: Disruption | None,
    against: Reference,
    shortfall: float = 0.0,
) -> Score:
    """Score of a plan under an objective; lower is better.

    `shortfall` is what `Enough` says of the plan; 0 where the load is not known.
    """
    pressed = round(pressure(prediction), 3)
    crossing = round(prediction.cross_fraction, 5)
    cores = round(prediction.cores, 3)
    restarts = 0.0 if disruption is None else float(disruption.restarted_instances)
    if objective == "throughput":
        return (shortfall, pressed, crossing, cores, restarts)
    if objective == "latency":
        busiest = round(prediction.stream_manager_max_tuples_per_s, 1)
        waiting = round(fmean(_latencies(prediction, against)), 3)
        return (shortfall, waiting, busiest, crossing, restarts)
    if objective == "cost":
        containers = float(prediction.containers)
        ram_bytes = float(prediction.ram_bytes)
        return (shortfall, cores, ram_bytes, containers, pressed, crossing, restarts)
    if objective == "traffic":
        return (crossing, shortfall, pressed, cores, restarts)
    survivors = 0 if disruption is None else disruption.survivors
    size = (
        _over(prediction.cores, against.cores),
        _over(prediction.ram_bytes, against.ram_bytes),
        _over(prediction.containers, against.containers),
    )
    exchange = (
        _over(prediction.cross_tuples_per_s, against.cross_tuples_per_s),
        _over(prediction.stream_manager_max_tuples_per_s, against.stream_manager_max_tuples_per_s),
        _latencies(prediction, against)[0],
    )
    total = (
        _over(pressure(prediction), against.pressure)
        + fmean(size)
        + fmean(exchange)
        + (restarts / survivors if survivors else 0.0)
    )
    return (shortfall, round(total, 4), pressed)


def _latencies(prediction: Prediction, against: Reference) -> tuple[float, float]:
    """Mean and 99th percentile over the reference's; 1 where one of them is not known."""
    when, mean_s, p99_s = prediction.latency, against.latency_mean_s, against.latency_p99_s
    if when is None or mean_s is None or p99_s is None:
        return (1.0, 1.0)
    return _over(when.mean_s, mean_s), _over(when.p99_s, p99_s)


def _over(value: float, base: float) -> float:
    """Ratio to a base; 1 where both are 0 or both infinite."""
    if value == base:
        return 1.0
    return value / base if base > 0 else 1.0 + value
