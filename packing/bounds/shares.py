"""Classes of instances by the share of their component's input, on the safe side.

Which instance is hot depends on ids, but how hot the hottest are does not. A class covers
instances of nearly the same share; a bound takes the share of the least or the most of them,
whichever keeps it true.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, Ints
from packing.key_skew import Order
from packing.model.structure import Structure
from packing.request import Request

MAX_CLASSES = 20
"""Of all components together; more make the configuration LP slow."""
MIN_CLASSES = 2
"""Per component whose instances differ."""


@dataclass(frozen=True)
class ShareClasses:
    """Instances in `K` classes, ordered by component."""

    component: Ints
    """Position of each class's component; (K,)."""
    supply: Ints
    """Instances per class; (K,)."""
    least_share: Floats
    """Share of the component's input that each instance of a class handles at least; (K,)."""
    most_share: Floats
    """And at most; (K,)."""
    most_received: Floats
    """Share of each stream that one instance of a class gets at most; (streams, K)."""
    hottest: Floats
    """Share of the component's input that its hottest instance handles at least; (components,)."""
    certain: bool
    """Whether all plans have the same shares. False where some streams follow task ids and others
    component indexes, so that a plan decides which shares meet in one instance; then
    `most_share` and `most_received` bound nothing."""


@dataclass(frozen=True)
class _Uneven:
    """Shares of one component's instances; (p,) in the order of ids, and (streams, p)."""

    share: Floats
    received: Floats
    certain: bool


def share_classes(request: Request, most_classes: int = MAX_CLASSES) -> ShareClasses:
    """The instances of `request` by their shares, in about `most_classes` classes."""
    prepared = request.prepared
    component: list[int] = []
    supply: list[int] = []
    least: list[float] = []
    most: list[float] = []
    received: list[Floats] = []
    certain = True
    routed = {v for v in prepared.routed if prepared.topology.components[v].parallelism > 1}
    even = len(prepared.topology.components) - len(routed)
    each = max(MIN_CLASSES, (most_classes - even) // max(1, len(routed)))
    hottest = np.zeros(len(prepared.topology.components))
    for v, this in enumerate(prepared.topology.components):
        count = this.parallelism
        if v not in routed:
            hottest[v] = 1.0 / count
            component.append(v)
            supply.append(count)
            least.append(1.0 / count)
            most.append(1.0 / count)
            received.append(np.where(prepared.stream_target == v, 1.0 / count, 0.0))
            continue
        uneven = _uneven(prepared, v, count)
        certain &= uneven.certain
        hottest[v] = uneven.share.max()
        for members in _groups(uneven.share, each):
            component.append(v)
            supply.append(len(members))
            least.append(float(uneven.share[members].min()))
            most.append(float(uneven.share[members].max()))
            received.append(uneven.received[:, members].max(axis=1))
    return ShareClasses(
        np.array(component, dtype=np.int64),
        np.array(supply, dtype=np.int64),
        np.array(least),
        np.array(most),
        np.array(received).reshape(len(component), -1).T,
        hottest,
        certain,
    )


def _uneven(prepared: Structure, v: int, count: int) -> _Uneven:
    """Shares of the instances of one component that reads uneven streams."""
    rate = prepared.rates.stream_per_s
    total = float(rate[prepared.stream_target == v].sum())
    received = np.zeros((len(rate), count))
    by_order = {Order.TASK_ID: np.zeros(count), Order.COMPONENT_INDEX: np.zeros(count)}
    even = 1.0
    for i in np.flatnonzero(prepared.stream_target == v).tolist():
        keyed = prepared.rates.uneven.get(i)
        order = Order.TASK_ID
        if prepared.to_lowest[i]:
            values = np.zeros(count)
            values[0] = 1.0
        elif keyed is not None and len(keyed.values) == count:
            values, order = keyed.values, keyed.order
        else:
            received[i] = 1.0 / count
            continue
        received[i] = values
        by_order[order] = by_order[order] + rate[i] / total * values
        even -= rate[i] / total
    base = max(0.0, even) / count
    tasks, indexes = by_order[Order.TASK_ID], by_order[Order.COMPONENT_INDEX]
    if not tasks.any() or not indexes.any():
        return _Uneven(base + tasks + indexes, received, certain=True)
    # Which share by task id meets which by index is the plan's choice: at least the smallest.
    hotter, other = (tasks, indexes) if tasks.max() >= indexes.max() else (indexes, tasks)
    return _Uneven(base + hotter + other.min(), received, certain=False)


def _groups(shares: Floats, most: int) -> list[Ints]:
    """Positions in groups of equal or near shares, largest first; at most `most`.

    The widest group, by its span times its members, is cut at its widest step.
    """
    order = np.argsort(-shares, kind="stable")
    ordered = shares[order]
    cuts = [0, len(order)]
    while len(cuts) - 1 < most:
        spans = [
            (float(ordered[a] - ordered[b - 1]) * (b - a), a, b)
            for a, b in itertools.pairwise(cuts)
        ]
        span, a, b = max(spans)
        if span <= 1e-12:
            break
        # Left of the cut all count as the first, right of it as the one behind the cut.
        members = np.arange(1, b - a)
        saved = (b - a - members) * (ordered[a] - ordered[a + 1 : b])
        cuts = sorted([*cuts, a + 1 + int(np.argmax(saved))])
    return [order[a:b] for a, b in itertools.pairwise(cuts)]
