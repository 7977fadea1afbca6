"""Several planners' answers for a workload, side by side: as JSON and as a table."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.heron_costs import shipped_costs
from bridge.plan_file import load_plan, plan_to_json
from bridge.planners import planners_for
from bridge.workload import Workload
from packing.bounds import Bound, Bounds, Gaps
from packing.choose import Candidate, Decision, ask, choose
from packing.disruption import Disruption
from packing.errors import Infeasible, InvalidRequest, PackingError
from packing.goal import Goal
from packing.model import Prediction
from packing.model.memory import ComponentMemory
from packing.model.uncertainty import Intervals
from packing.objective import ENOUGH, Enough
from packing.plan import Plan
from packing.planners import Planner
from packing.planners.repacked import Repacked
from packing.request import Request
from packing.scenario import Outcome, Scenario


@dataclass(frozen=True)
class Rescale:
    """What a planner makes of its own plan when one component grows or shrinks."""

    component: str
    delta: int
    candidate: Candidate


@dataclass(frozen=True)
class Wanted:
    """What plans of a workload are for, and what is asked of them beside the file."""

    goal: Goal = field(default_factory=Goal)
    containers_free: bool = False
    spread_components: bool = False


AS_IT_SAYS = Wanted()
"""Nothing beside the file."""


@dataclass(frozen=True)
class Update:
    """A change of a topology that runs."""

    parallelism: Mapping[str, int] = field(default_factory=dict)
    """What is wanted, by component; those that are not named keep what they have."""
    container_count: int | None = None
    """None: not stated."""
    running: Plan | Path | None = None
    """What runs, or its plan file; None: the plan that a live topology runs under."""


def request_for(
    workload: Workload, wanted: Wanted = AS_IT_SAYS, update: Update | None = None
) -> Request:
    """The pack request that a workload file describes, or the repack request of an `update`.

    Raises InvalidRequest when nothing runs that could be updated, or the update cannot be meant.
    """
    request = Request(
        workload.topology,
        workload.constraints,
        profile=workload.profile,
        costs=shipped_costs().costs,
        containers_free=wanted.containers_free,
        spread_components=wanted.spread_components,
    )
    if update is None:
        return request
    running = update.running or workload.running
    if isinstance(running, Path):
        running = load_plan(running, workload.topology)
    if running is None:
        raise InvalidRequest(
            f"an update needs the plan that runs, and for {workload.name} none is known; name its "
            "plan file (--running FILE), ask a Tracker, or try the change with `whatif`"
        )
    now = running.parallelism
    return replace(
        request,
        current=running,
        deltas={
            name: count - now.get(name, 0)
            for name, count in update.parallelism.items()
            if count != now.get(name)
        },
        container_count=update.container_count,
    )


def compare(workload: Workload, objective: str = "", wanted: Wanted = AS_IT_SAYS) -> Decision:
    """Ask every planner and choose, as the service would; `objective` wins over that `wanted`."""
    request, goal = request_for(workload, wanted), wanted.goal
    return choose(
        request,
        planners_for(request),
        None,
        objective or goal.objective,
        time.perf_counter,
        enough=goal.enough,
        budget=goal.budget,
    )


def rescale(
    workload: Workload, candidate: Candidate, planner: Planner, wanted: Wanted = AS_IT_SAYS
) -> list[Rescale]:
    """Let a planner repack its own plan by the changes that the workload file proposes."""
    scale = workload.scale
    if scale is None or candidate.plan is None or not candidate.usable:
        return []
    found = []
    for delta in (scale.up, scale.down):
        if not delta:
            continue
        try:
            request = replace(
                request_for(workload, wanted),
                current=candidate.plan,
                deltas={scale.component: delta},
            )
        except PackingError as error:
            judged = Candidate(candidate.planner, None, failure=str(error))
        else:
            judged = ask(candidate.planner, planner, request, time.perf_counter)
        found.append(Rescale(scale.component, delta, judged))
    return found


def prediction_to_json(
    prediction: Prediction, intervals: Intervals | None = None
) -> dict[str, Any]:
    """A prediction with units in its keys; null for what is not known or not finite.

    `saturating_share` is the share of what may be in which spouts are held back.
    """
    when = prediction.latency
    figures = {
        "sustainable_load_factor": prediction.sustainable_load_factor,
        "delivered_load_factor": prediction.delivered_load_factor,
        "throughput_per_s": prediction.throughput_per_s,
        "latency_mean_s": None if when is None else when.mean_s,
        "latency_p50_s": None if when is None else when.p50_s,
        "latency_p99_s": None if when is None else when.p99_s,
        "bottleneck": prediction.bottleneck,
        "runner_up": prediction.runner_up,
        "traffic_tuples_per_s": prediction.traffic_tuples_per_s,
        "cross_tuples_per_s": prediction.cross_tuples_per_s,
        "cross_fraction": prediction.cross_fraction,
        "containers": prediction.containers,
        "cores": prediction.cores,
        "ram_bytes": prediction.ram_bytes,
        "load_max_over_mean": prediction.load_max_over_mean,
        "highest_cpu_utilisation": prediction.highest_cpu_utilisation,
        "stream_manager_max_tuples_per_s": prediction.stream_manager_max_tuples_per_s,
    }
    found: dict[str, Any] = {key: _finite(value) for key, value in figures.items()}
    found["container_cpu_cores"] = [_finite(c) for c in prediction.container_cpu_cores.tolist()]
    found["intervals"] = None if intervals is None else intervals_to_json(intervals)
    found["saturating_share"] = None if intervals is None else intervals.saturating_share
    found["memory"] = [_memory_to_json(component) for component in prediction.memory]
    found["risks"] = list(prediction.risks)
    return found


def _memory_to_json(of: ComponentMemory) -> dict[str, Any]:
    return {
        "component": of.component,
        "used_bytes": of.used_bytes,
        "granted_bytes": of.granted_bytes,
        "heap_bytes": of.heap_bytes,
        "live_bytes": of.live_bytes,
        "gc_share": of.gc_share,
        "enough_bytes": of.enough_bytes,
    }


def outcome_to_json(scenario: Scenario, outcome: Outcome | Infeasible) -> dict[str, Any]:
    """What a plan does under a scenario: its name, and a prediction or why there is none."""
    if isinstance(outcome, Infeasible):
        return {"scenario": scenario.title, "prediction": None, "failure": str(outcome)}
    return {
        "scenario": scenario.title,
        "prediction": prediction_to_json(outcome.prediction, outcome.intervals),
    }


LOST = (
    "tuples for instances in lost containers are dropped, and spouts there offer nothing; what is "
    "carried is over the load that is left"
)
"""What to know of a prediction without some of the containers."""


def why_none(scenario: Scenario, error: Infeasible) -> str:
    """Why a scenario has no prediction, to follow its title."""
    return str(error).removeprefix(f"scenario {scenario.title!r}: ")


def intervals_to_json(intervals: Intervals) -> dict[str, Any]:
    """Quantiles by figure; each has the unit of its figure's name, null where it has no bound."""
    figures = {
        "sustainable_load_factor": intervals.sustainable_load_factor,
        "throughput_per_s": intervals.throughput_per_s,
        "latency_mean_s": intervals.latency_mean_s,
        "highest_cpu_utilisation": intervals.highest_cpu_utilisation,
    }
    return {
        name: {
            "low": _finite(found.low),
            "median": _finite(found.median),
            "high": _finite(found.high),
            "level": found.level,
        }
        for name, found in figures.items()
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def disruption_to_json(disruption: Disruption) -> dict[str, int]:
    """Counts of what an update touches."""
    return {
        "survivors": disruption.survivors,
        "moved_instances": disruption.moved_instances,
        "restarted_instances": disruption.restarted_instances,
        "started_instances": disruption.started_instances,
        "stopped_instances": disruption.stopped_instances,
        "containers_added": disruption.containers_added,
        "containers_removed": disruption.containers_removed,
    }


def candidate_to_json(
    candidate: Candidate, with_plan: bool = True, enough: Enough = ENOUGH
) -> dict[str, Any]:
    """A candidate: planner, time, plan, prediction, and what speaks against it."""
    found: dict[str, Any] = {"planner": candidate.planner, "ms": round(1000 * candidate.took_s, 3)}
    if with_plan:
        found["plan"] = None if candidate.plan is None else plan_to_json(candidate.plan)
    prediction = candidate.prediction
    found["prediction"] = (
        None if prediction is None else prediction_to_json(prediction, candidate.intervals)
    )
    if candidate.intervals is not None:
        assured = enough.assured(candidate.intervals.sustainable_draws)
        found["assured_load_factor"] = _finite(assured)
    if candidate.disruption is not None:
        found["disruption"] = disruption_to_json(candidate.disruption)
    if candidate.repacked is not None:
        found["moves"] = moves_to_json(candidate.repacked)
    if candidate.failure:
        found["failure"] = candidate.failure
    if candidate.violations:
        found["breaks"] = [violation.message for violation in candidate.violations]
    return found


def moves_to_json(repacked: Repacked) -> dict[str, Any]:
    """What an update would gain by moving more; `taken` is the position of the one that it is."""
    return {
        "steps": [
            {
                "moved_instances": step.moved,
                "moved_share": step.moved_share,
                "sustainable_load_factor": _finite(step.sustainable_load_factor),
                "cross_tuples_per_s": step.cross_tuples_per_s,
                "cross_fraction": step.cross_fraction,
            }
            for step in repacked.curve
        ],
        "taken": repacked.taken,
        "reason": repacked.reason,
    }


def bounds_to_json(bounds: Bounds) -> dict[str, Any]:
    """What no plan can do better, and what proves it; null where the load is not known."""
    highest = bounds.sustainable_load_factor
    return {
        "containers": _bound(bounds.containers),
        "cross_tuples_per_s": _bound(bounds.cross_tuples_per_s),
        "cross_fraction": bounds.cross_fraction,
        "sustainable_load_factor": None if highest is None else _bound(highest),
        "disturbed_instances": _bound(bounds.disturbed_instances),
    }


def _bound(bound: Bound) -> dict[str, Any]:
    return {"value": _finite(bound.value), "how": bound.how}


def gaps_to_json(gaps: Gaps) -> dict[str, Any]:
    """How far the chosen plan is from its bounds."""
    return {
        "containers": gaps.containers,
        "cross_fraction": gaps.cross_fraction,
        "sustainable_load": _finite(gaps.sustainable_load),
        "disturbed_instances": gaps.disturbed_instances,
    }


def comparison_to_json(
    workload: Workload, decision: Decision, rescaled: dict[str, list[Rescale]]
) -> dict[str, Any]:
    """One line of `compare --json`."""
    candidates = []
    for candidate in decision.candidates:
        entry = candidate_to_json(candidate, enough=decision.enough)
        if rescaled.get(candidate.planner):
            entry["repack"] = [
                {
                    "component": change.component,
                    "delta": change.delta,
                    **candidate_to_json(change.candidate, with_plan=False),
                }
                for change in rescaled[candidate.planner]
            ]
        candidates.append(entry)
    return {
        "workload": workload.name,
        "objective": decision.objective,
        "chosen": decision.chosen.planner,
        "headroom": decision.enough.headroom,
        "probability": decision.enough.probability,
        "reasons": list(decision.reasons),
        "pareto": [candidate.planner for candidate in decision.pareto],
        "bounds": None if decision.bounds is None else bounds_to_json(decision.bounds),
        "gaps": None if decision.gaps is None else gaps_to_json(decision.gaps),
        "candidates": candidates,
        "basis": [
            {"quantity": b.quantity, "source": b.source.value, "detail": b.detail}
            for b in decision.basis
        ],
    }
