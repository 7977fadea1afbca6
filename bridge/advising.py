"""How many instances a rate takes: from a script, a notebook or the command line.

found = advise("word-count.yaml", 16_667)
found.parallelism
found.prediction.sustainable_load_factor
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.comparison import (
    candidate_to_json,
    disruption_to_json,
    prediction_to_json,
    request_for,
)
from bridge.plan_file import plan_to_json
from bridge.planners import planners_for
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing import advice
from packing.advice import Advice, LoadStep, RateGoal
from packing.advice.rate_goal import HEADROOM
from packing.model.user_times import user_times
from packing.plan import Plan
from packing.profile import Basis, Source

INCLUDED = Basis(
    "Heron's own work",
    Source.ASSUMED,
    "included in the times per tuple, which are read as those of whole instances; other commands "
    "add it to them (--costs added)",
)
ADDED = Basis("Heron's own work", Source.MEASURED, "added to the times per tuple of user code")
"""How the times per tuple were read."""


def advise(  # noqa: PLR0917 - what may be asked for
    source: str | Path | Workload,
    rate_per_s: float,
    headroom: float = HEADROOM,
    probability: float | None = None,
    latency_p99_limit_s: float | None = None,
    containers: int | None = None,
    *,
    profile: Path | None = None,
    running: Plan | None = None,
    added_costs: bool | None = None,
    objective: str = "",
    done: Callable[[str], None] = lambda _: None,
) -> Advice:
    """The smallest parallelism per component, with a plan, for a rate; see `packing.advice`.

    `source` is what `bridge.topology_source.load_source` takes, or a workload that was read.
    `rate_per_s` is in tuples over all instances of the spouts. `running` is the plan to start from,
    if the source is not a live topology. With `added_costs` the times per tuple are those of user
    code, and what Heron does itself is added to them; without, they are what a whole instance takes
    (None: added for a live topology, whose metrics tell user code apart). Where no parallelism
    carries the rate the advice has no plan, and says why. Raises InvalidRequest, Infeasible,
    `bridge.errors.Unreachable`.
    """
    goal = RateGoal(rate_per_s, headroom, probability, latency_p99_limit_s, containers)
    workload = source if isinstance(source, Workload) else load_source(source, profile, done)
    request = request_for(workload)
    if added_costs is None:
        added_costs = workload.running is not None
    if not added_costs:
        times = user_times(request.profile, request.topology, request.costs, request.runtime)
        request = replace(request, profile=times)
    current = workload.running if running is None else running
    if current is not None:
        request = replace(request, current=current)
    planners = planners_for(request)
    found = advice.advise(request, goal, planners, objective, time.perf_counter, done=done)
    return replace(found, basis=(*found.basis, ADDED if added_costs else INCLUDED))


def advice_to_json(name: str, found: Advice) -> dict[str, Any]:
    """Advice with units in its keys; `parallelism`, `plan`, `prediction` are null without one."""
    return {
        "workload": name,
        "rate_per_s": found.goal.rate_per_s,
        "headroom": found.goal.headroom,
        "parallelism": dict(found.parallelism) or None,
        "running_parallelism": dict(found.running),
        "plan": None if found.plan is None else plan_to_json(found.plan),
        "prediction": None
        if found.prediction is None
        else prediction_to_json(found.prediction, found.intervals),
        "probability": found.probability,
        "planner": found.planner or None,
        "objective": found.objective,
        "impossible": found.impossible or None,
        "highest_rate_per_s": found.highest_rate_per_s,
        "disruption": None if found.disruption is None else disruption_to_json(found.disruption),
        "steps": [_step_to_json(step) for step in found.steps],
        "key_moves": [
            {
                "source": move.source,
                "stream": move.stream_id,
                "component": move.component,
                "from": move.before,
                "to": move.after,
                "moved_share": move.moved_share,
            }
            for move in found.key_moves
        ],
        "reasons": list(found.reasons),
        "basis": [
            {"quantity": b.quantity, "source": b.source.value, "detail": b.detail}
            for b in found.basis
        ],
        "candidates": [candidate_to_json(c, with_plan=False) for c in found.candidates],
    }


def _step_to_json(step: LoadStep) -> dict[str, Any]:
    return {
        "load_factor": step.load_factor,
        "rate_per_s": step.rate_per_s,
        "parallelism": dict(step.parallelism) or None,
        "containers": step.containers,
        "cores": step.cores if math.isfinite(step.cores) else None,
        "ram_bytes": step.ram_bytes,
        "impossible": step.impossible or None,
    }
