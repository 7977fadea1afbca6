"""How long comparing and reporting take, and how large pages are.

    python -m tests.benchmarks.report

Medians of five in a warm process. The second table compares eight planners at 1,000 instances: the
installed ones, and Heron's own with more containers to make up eight.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from statistics import median

from bridge.analysis import analyse
from bridge.comparison import request_for
from bridge.planners import planners_for
from bridge.workload import Workload, load_workload
from packing.plan import Plan
from packing.planners import Planner
from packing.request import Request
from tests.benchmarks.timing import timed
from tests.bridge.test_report import with_keys

TOPOLOGIES = Path(__file__).resolve().parents[1] / "data" / "topologies"
TIMES = 5
EIGHT = 8
SHAPES = ("wordcount", "diamond", "dag2", "ysb")


def eight_planners(workload: Workload) -> dict[str, Planner]:
    """The planners for a pack, and the first of them again with more containers."""
    found = planners_for(request_for(workload))
    again = itertools.cycle(list(found.items()))
    for more in itertools.count(1):
        if len(found) >= EIGHT:
            return found
        name, planner = next(again)
        found[f"{name}+{more}"] = with_more_containers(planner, more)
    raise AssertionError


def with_more_containers(planner: Planner, more: int) -> Planner:
    """The same planner, asked for more containers than the topology states."""

    def plan(request: Request) -> Plan:
        count = request.constraints.container_count + more
        constraints = replace(request.constraints, container_count=count)
        return planner(replace(request, constraints=constraints))

    return plan


def pages() -> None:
    """Time of the decision and of the page, and the page's size."""
    print("| topology | instances | decision s | page s | page KB |")
    print("|---|---|---|---|---|")
    workloads = [
        load_workload(TOPOLOGIES / f"{shape}-{size}.json")
        for shape, size in itertools.product(SHAPES, (10, 100, 1000))
    ]
    workloads += [with_keys(200), with_keys(2000)]
    for workload in workloads:
        analysis, deciding_ms = timed(lambda w=workload: analyse(w), TIMES, median)
        html, page_ms = timed(analysis.html, TIMES, median)
        print(
            f"| {workload.name} | {analysis.plan.instance_count} | {deciding_ms / 1000:.2f} | "
            f"{page_ms / 1000:.2f} | {len(html.encode()) / 1000:.0f} |"
        )


def eight() -> None:
    """Time of comparing eight planners."""
    print("\n| topology of 1,000 instances | planners | compared s |")
    print("|---|---|---|")
    for shape in SHAPES:
        workload = load_workload(TOPOLOGIES / f"{shape}-1000.json")
        planners = eight_planners(workload)
        _, took_ms = timed(lambda w=workload, p=planners: analyse(w, planners=p), TIMES, median)
        print(f"| {shape} | {len(planners)} | {took_ms / 1000:.2f} |")


if __name__ == "__main__":
    pages()
    eight()
