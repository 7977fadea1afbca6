"""Processor time of whole decisions: `python -m tests.benchmarks.decisions [SIZE ...]`.

What `packing.choose.choose` takes for a fresh pack request under the default effort, in a process
that has planned before. Per size the median over the shapes and the slowest, each the best of a few
runs, and the median time of each phase. Other processes do not count, so that figures compare on a
machine that is busy.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from bridge.comparison import request_for
from bridge.planners import planners_for
from bridge.workload import Workload, load_workload, workload_paths
from packing.bounds import bounds_for
from packing.candidate import judge
from packing.choose import choose
from packing.goal import Goal
from packing.model.uncertainty import Truth
from packing.plan import Plan
from packing.planners import Planner, Proposer
from packing.profile import draw_factors
from packing.request import Request
from tests.benchmarks.planners import TOPOLOGIES

REPEATS = 5
CALLS: dict[str, tuple[str, Callable[..., Any]]] = {
    "packing.candidate.judge": ("judging", judge),
    "packing.choose.judge": ("judging", judge),
    "packing.request.draw_factors": ("drawing", draw_factors),
    "packing.model.uncertainty.Truth.__init__": ("drawing", Truth.__init__),
    "packing.model.uncertainty.Truth.spread": ("drawing", Truth.spread),
    "packing.choose.bounds_for": ("bounds", bounds_for),
}
"""Where the functions of a phase are looked up; none of them calls another."""
PHASES = ("preparing", "Heron's planners", "search", "judging", "drawing", "bounds", "other")


class Phases:
    """Milliseconds of processor time by phase."""

    def __init__(self) -> None:
        """Nothing so far."""
        self.took_ms: dict[str, float] = defaultdict(float)

    def timed(self, phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call`, its time added to a phase."""

        def clocked(*args: Any, **kwargs: Any) -> Any:
            started_s = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.took_ms[phase] += 1000 * (time.process_time() - started_s)

        return clocked

    def planner(self, name: str, planner: Planner) -> Planner:
        """`planner`, its time added to that of the search or of Heron's planners."""
        phase = "search" if name == "search" else "Heron's planners"
        if not isinstance(planner, Proposer):
            return self.timed(phase, planner)
        return _TimedProposer(self, phase, planner)


class _TimedProposer:
    """A planner of several plans, whose time is added to a phase."""

    def __init__(self, phases: Phases, phase: str, planner: Proposer) -> None:
        self._step = phases.timed(phase, next)
        self._planner = planner

    def __call__(self, request: Request, /) -> Plan:
        return self._planner(request)

    def propose(self, request: Request, goal: Goal, /) -> Iterator[tuple[str, Plan]]:
        plans = iter(self._planner.propose(request, goal))
        while (found := self._step(plans, None)) is not None:
            yield found


def decide(workload: Workload) -> dict[str, float]:
    """One decision: milliseconds of processor time by phase, and in `all`."""
    phases = Phases()
    request = request_for(workload)
    planners = {n: phases.planner(n, p) for n, p in planners_for(request).items()}
    with ExitStack() as patches:
        for where, (phase, call) in CALLS.items():
            patches.enter_context(patch(where, phases.timed(phase, call)))
        started_s = time.process_time()
        phases.timed("preparing", lambda: request.prepared)()
        choose(request, planners)
        took_ms = 1000 * (time.process_time() - started_s)
    found = dict.fromkeys(PHASES, 0.0) | phases.took_ms
    return found | {"other": took_ms - sum(found.values()), "all": took_ms}


def main() -> None:
    """Print the table."""
    sizes = {int(size) for size in sys.argv[1:]}
    by_size: dict[int, list[Workload]] = defaultdict(list)
    for path in workload_paths([TOPOLOGIES]):
        workload = load_workload(path)
        if not sizes or workload.topology.instance_count in sizes:
            by_size[workload.topology.instance_count].append(workload)
    print(f"| instances | ms median | max | {' | '.join(PHASES)} |")
    print("|---" * (3 + len(PHASES)) + "|")
    for size, workloads in sorted(by_size.items()):
        best = []
        for workload in workloads:
            decide(workload)
            runs = [decide(workload) for _ in range(REPEATS)]
            best.append(min(runs, key=lambda run: run["all"]))
        whole = [run["all"] for run in best]
        split = " | ".join(f"{statistics.median(r[phase] for r in best):.1f}" for phase in PHASES)
        print(f"| {size} | {statistics.median(whole):.1f} | {max(whole):.1f} | {split} |")


if __name__ == "__main__":
    main()
