"""How long advice takes, and how many plans it tries.

    python -m tests.benchmarks.advice

Random topologies of 20 components. CPU time, medians of five in a warm process. `advise` is the
whole answer, with the plans of all planners and five rows of cost against load; `smallest` is the
parallelism alone.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import numpy as np

from bridge.heron_costs import shipped_costs
from bridge.planners import planners_for
from packing.advice import RateGoal, advise
from packing.advice.sizing import Sizing
from packing.constraints import Constraints
from packing.planners.round_robin import round_robin
from packing.profile import Profile
from packing.request import Request
from packing.topology import Component, Grouping, Kind, Stream, Topology

COMPONENTS = 20
TIMES = 5
RATES = (1_000.0, 10_000.0, 50_000.0)


def layered(seed: int, components: int = COMPONENTS) -> Request:
    """Two spouts and bolts that read one or two components before them."""
    draw = np.random.default_rng(seed)
    names = [f"c{i}" for i in range(components)]
    groupings = (Grouping.SHUFFLE, Grouping.FIELDS)
    streams = {
        (names[int(draw.integers(0, v))], names[v]): groupings[int(draw.integers(0, 2))]
        for v in range(2, components)
        for _ in range(int(draw.integers(1, 3)))
    }
    topology = Topology(
        "layered",
        "layered",
        tuple(Component(n, Kind.SPOUT if v < 2 else Kind.BOLT, 2) for v, n in enumerate(names)),
        tuple(Stream(s, t, f"to_{t}", grouping) for (s, t), grouping in streams.items()),
    )
    profile = Profile(
        rate_per_s={"c0": 500.0, "c1": 250.0},
        service_s={n: float(draw.lognormal(np.log(2e-4), 0.8)) for n in names},
        selectivity={(s, t, f"to_{t}"): float(draw.uniform(0.2, 0.9)) for s, t in streams},
    )
    constraints = Constraints(container_count=8)
    return Request(topology, constraints, profile=profile, costs=shipped_costs().costs)


def main() -> None:
    print(
        f"{'tuples/s':>8} {'runs':>5} {'instances':>9} {'containers':>10} {'plans':>5} "
        f"{'smallest ms':>11} {'advise ms':>9} {'slowest ms':>10}"
    )
    for rate in RATES:
        for runs in (False, True):
            alone, whole = [], []
            for seed in range(TIMES):
                request, goal = layered(seed), RateGoal(rate)
                if runs:
                    request = replace(request, current=round_robin(request))
                planners = planners_for(request)
                advise(request, goal, planners)
                started = time.process_time()
                sizing = Sizing(request, goal)
                sizing.smallest()
                alone.append(time.process_time() - started)
                started = time.process_time()
                found = advise(request, goal, planners)
                whole.append(time.process_time() - started)
            assert found.prediction is not None
            print(
                f"{rate:8.0f} {'yes' if runs else 'no':>5} {sum(found.parallelism.values()):9d} "
                f"{found.prediction.containers:10d} {sizing.plans.tried:5d} "
                f"{1e3 * statistics.median(alone):11.0f} {1e3 * statistics.median(whole):9.0f} "
                f"{1e3 * max(whole):10.0f}"
            )


if __name__ == "__main__":
    main()
