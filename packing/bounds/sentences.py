"""How near a plan is to what is possible, for the person who deploys it."""

from __future__ import annotations

from packing.bounds.request_bounds import Bounds, Gaps
from packing.disruption import Disruption
from packing.model import Prediction
from packing.resources import counted

SAME = 5e-4
"""Differences that the figures shown do not show."""


def against_bounds(
    prediction: Prediction, bounds: Bounds, gap: Gaps, disruption: Disruption | None = None
) -> list[str]:
    """A sentence per bound that says something, with what proves it."""
    return [
        *_traffic(prediction, bounds, gap),
        *_load(prediction, bounds, gap),
        *_containers(prediction, bounds, gap),
        *_disturbed(bounds, gap, disruption),
    ]


def _traffic(prediction: Prediction, bounds: Bounds, gap: Gaps) -> list[str]:
    if prediction.traffic_tuples_per_s <= 0 or (gap.cross_fraction > 0 >= bounds.cross_fraction):
        return []
    size = f"{counted(prediction.containers, 'container')} of this size"
    shown = f"cross traffic {prediction.cross_fraction:.1%}"
    if gap.cross_fraction < SAME:
        return [f"{shown}, the least possible with {size}"]
    how = bounds.cross_tuples_per_s.how
    return [f"{shown}, at least {bounds.cross_fraction:.1%} with {size} (by {how})"]


def _load(prediction: Prediction, bounds: Bounds, gap: Gaps) -> list[str]:
    highest, found = bounds.sustainable_load_factor, prediction.sustainable_load_factor
    if highest is None or found is None or gap.sustainable_load is None:
        return []
    limit = f"{highest.value:.2f} times the load ({highest.how})"
    if gap.sustainable_load < SAME:
        return [f"no placement of these instances in such containers sustains more than {limit}"]
    return [
        f"no placement of these instances in such containers sustains more than {limit}; this "
        f"plan sustains {found:.2f}"
    ]


def _containers(prediction: Prediction, bounds: Bounds, gap: Gaps) -> list[str]:
    if not gap.containers:
        return []
    fewest = int(bounds.containers.value)
    return [
        f"{counted(prediction.containers, 'container')}, at least {fewest} of this size are needed "
        f"({bounds.containers.how})"
    ]


def _disturbed(bounds: Bounds, gap: Gaps, disruption: Disruption | None) -> list[str]:
    if disruption is None or not gap.disturbed_instances:
        return []
    fewest = int(bounds.disturbed_instances.value)
    return [
        f"{fewest + gap.disturbed_instances} running instances stop or move; at least {fewest} "
        f"must ({bounds.disturbed_instances.how})"
    ]
