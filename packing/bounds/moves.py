"""Running instances that an update disturbs at least: that stop or change container."""

from __future__ import annotations

import numpy as np

from packing.bounds.bound import Bound
from packing.request import Request

STOPPED = "instances to stop"


def fewest_disturbed(request: Request, containers: int) -> Bound:
    """Of the running instances; for plans with `containers` containers.

    Fewer containers than run close some, by the scheduler's rule the highest, else any; what is in
    them stops or moves. More containers than run are filled with new instances and then with
    others.
    """
    current = request.current
    if current is None:
        return Bound(0.0, "nothing runs")
    wanted = np.array([request.parallelism[name] for name in request.topology.names])
    running = current.counts.sum(axis=1)
    stops = np.maximum(running - wanted, 0)
    found = [Bound(float(stops.sum()), STOPPED)]
    closed = current.container_count - containers
    if closed > 0:
        inside = current.counts
        if request.scheduler.keeps_contiguous_ids:
            gone = inside[:, containers:].sum(axis=1)
            found.append(Bound(float(np.maximum(stops, gone).sum()), "the containers to close"))
        else:
            # Those that hold least; of components that shrink, what is in them may be what stops.
            fewest = float(np.sort(inside.sum(axis=0))[:closed].sum())
            staying = float(np.sort(inside[stops == 0].sum(axis=0))[:closed].sum())
            found += [
                Bound(fewest, "the containers to close"),
                Bound(float(stops.sum()) + staying, "the containers to close"),
            ]
    starts = int(np.maximum(wanted - running, 0).sum())
    if -closed > starts:
        found.append(Bound(float(stops.sum()) - closed - starts, "the containers to fill"))
    return max(found, key=lambda bound: bound.value)
