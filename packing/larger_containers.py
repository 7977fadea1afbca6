"""Plans whose containers are larger than their instances ask for, where the load needs it.

Instances ask for cores by guess; what their tuples keep busy is another thing. A container that is
full of CPU before anything else is gets more cores, as far as the user lets it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from packing.candidate import Candidate
from packing.plan import Plan
from packing.request import Request

CPU = "CPU of container "
"""How `packing.model.saturation` names the limit that a larger container moves."""
LEAST_GAIN = 1.01
"""Load to win, over what the plan sustains, below which containers stay as they are."""


def with_larger_containers(
    candidate: Candidate, request: Request, load_factor: float
) -> Plan | None:
    """The plan with cores for `load_factor` in every container, or what comes nearest to it.

    Never beyond the load at which something else is full. At most the size that the topology
    states; where it states none and containers are ours to choose, as much as needed, in whole
    cores. None where that changes nothing, as at an update, which resizes no container.
    """
    plan, prediction = candidate.plan, candidate.prediction
    if plan is None or prediction is None or request.current is not None:
        return None
    sustained = prediction.sustainable_load_factor
    delivered = prediction.delivered_load_factor
    if not sustained or not delivered or not prediction.bottleneck.startswith(CPU):
        return None
    most = request.constraints.container_cpu_cores
    if most is None and not request.containers_free:
        return None
    others = [limit.factor for limit in prediction.limits if not limit.name.startswith(CPU)]
    wanted = min([load_factor, *others])
    if wanted < sustained * LEAST_GAIN:
        return None
    needed = np.ceil(prediction.container_cpu_cores * (wanted / delivered) - 1e-9)
    if delivered < 1.0 and most is not None:
        # In back-pressure tuples cost less than they will when containers are large enough.
        needed[:] = most
    cores = np.maximum(plan.container_cpu_cores, np.minimum(needed, most or math.inf))
    if np.array_equal(cores, plan.container_cpu_cores):
        return None
    return replace(plan, container_cpu_cores=cores, scheduled=None)
