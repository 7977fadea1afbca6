"""What one prediction takes: `python -m tests.benchmarks.predictions [FOLDER]`.

Per size the median and maximum over the shapes of the best of many runs, in ms: a whole prediction
of a plan that was never seen (as the planners' plans are judged), and what a search pays per
candidate, without latency and names: as a plan in which two instances change places, and as counts
of instances per container.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np

from bridge.comparison import request_for
from bridge.heron_costs import shipped_costs
from bridge.planners import installed_planners
from bridge.workload import Workload, load_workload, workload_paths
from packing.model import (
    Classes,
    Contents,
    Runtime,
    Structure,
    predict_counts,
    predict_placed,
    structure,
)
from packing.model.placed import place
from packing.model.saturation import saturation
from packing.plan import Plan
from packing.planners.packing_problem import RequestedPack
from tests.benchmarks.timing import best_ms

TOPOLOGIES = Path(__file__).resolve().parent.parent / "data" / "topologies"
REPEATS = 30
RUNTIME = Runtime()


def unseen(plan: Plan) -> Plan:
    """The plan without anything derived from it."""
    return replace(plan)


def swapped(plan: Plan, random: np.random.Generator) -> Plan:
    """The plan with two instances in each other's place."""
    i, j = random.integers(plan.instance_count, size=2)
    component = plan.component.copy()
    component[i], component[j] = component[j], component[i]
    return replace(plan, component=component)


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else TOPOLOGIES
    by_size: dict[int, list[Workload]] = defaultdict(list)
    for path in workload_paths([folder]):
        workload = load_workload(path)
        by_size[workload.topology.instance_count].append(workload)
    print(
        "| instances | prediction ms median | max | shape | per candidate plan ms median | max "
        "| per counts ms median | max |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for size, workloads in sorted(by_size.items()):
        whole, candidate, counted = {}, [], []
        for workload in workloads:
            plan = installed_planners()["round_robin"](request_for(workload))
            prepared = structure(workload.topology, workload.profile)
            whole[workload.topology.name] = whole_ms(prepared, plan)
            candidate.append(candidate_ms(prepared, plan))
            counted.append(counts_ms(prepared, workload))
        slowest = max(whole, key=lambda name: whole[name])
        print(
            f"| {size} | {statistics.median(whole.values()):.3f} | {whole[slowest]:.3f} "
            f"| {slowest} | {statistics.median(candidate):.3f} | {max(candidate):.3f} "
            f"| {statistics.median(counted):.3f} | {max(counted):.3f} |"
        )


def whole_ms(prepared: Structure, plan: Plan) -> float:
    """A whole prediction of a new plan."""
    costs = shipped_costs().costs
    return best_ms(lambda: predict_placed(prepared, unseen(plan), False, costs, RUNTIME), REPEATS)


def candidate_ms(prepared: Structure, plan: Plan) -> float:
    """Flows and saturation of a plan that differs by one swap."""
    costs = shipped_costs().costs
    random = np.random.default_rng(1)

    def judge() -> object:
        placed = place(prepared, swapped(plan, random))
        return saturation(placed, costs, RUNTIME, plan.container_cpu_cores).sustainable

    return best_ms(judge, REPEATS)


def counts_ms(prepared: Structure, workload: Workload) -> float:
    """The figures of what a search would put into the containers."""
    costs = shipped_costs().costs
    pack = RequestedPack(request_for(workload))
    alike, counts = pack.classes, pack.dealt_counts
    classes = Classes(prepared, alike.component, alike.sent, alike.received)
    dealt = pack.dealt
    contents = Contents(counts, dealt.container_cpu_cores, dealt.container_ram_bytes, dealt.used[0])
    return best_ms(lambda: predict_counts(classes, contents, costs, RUNTIME), REPEATS)


if __name__ == "__main__":
    main()
