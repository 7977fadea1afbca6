"""What one asks of a topology, from a script, a notebook or the command line.

found = analyse("word-count.yaml")
found.decision.chosen.planner
found.what_if(Scenario(rate_factor=1.5)).prediction.sustainable_load_factor
found.html()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bridge.comparison import request_for
from bridge.planners import planners_for
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing.choose import HERON, Candidate, Decision, HeronPlan, choose
from packing.disruption import disruption
from packing.errors import Infeasible
from packing.model import Prediction
from packing.plan import Plan
from packing.planners import Planner
from packing.request import Request
from packing.scenario import Outcome, Scenario, predict_scenario

RUNNING = "running"
"""Name of the plan that a live topology runs under, among the candidates."""

Done = Callable[[str], None]
"""Hears of every step that is done."""


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Analysis:
    """A topology, its load, and the decision about its plan."""

    workload: Workload
    request: Request
    decision: Decision

    @property
    def plan(self) -> Plan:
        """The chosen plan."""
        return self.decision.plan

    @property
    def prediction(self) -> Prediction:
        """What the chosen plan would do."""
        assert self.decision.chosen.prediction is not None
        return self.decision.chosen.prediction

    def what_if(self, scenario: Scenario, plan: Plan | None = None) -> Outcome:
        """What the chosen plan, or `plan`, does under a scenario.

        Raises InvalidRequest naming the value at fault, Infeasible where no plan exists.
        """
        return predict_scenario(scenario, self.request, self.plan if plan is None else plan)

    def outcomes(
        self, scenarios: Sequence[Scenario], plan: Plan | None = None, done: Done = _silent
    ) -> list[tuple[Scenario, Outcome | Infeasible]]:
        """`what_if` of each; where no plan exists, why."""
        found: list[tuple[Scenario, Outcome | Infeasible]] = []
        for scenario in scenarios:
            try:
                found.append((scenario, self.what_if(scenario, plan)))
            except Infeasible as error:
                found.append((scenario, error))
            done(scenario.title)
        return found

    def html(self, scenarios: Sequence[Scenario] = (), done: Done = _silent) -> str:
        """One self-contained page about the topology and its plan; see `bridge.report`."""
        from bridge.report import report  # noqa: PLC0415 - most callers want no page

        return report(self, self.outcomes(scenarios, done=done), done)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from bridge.report import embedded  # noqa: PLC0415

        return embedded(self.html())


def analyse(
    source: str | Path | Workload,
    objective: str = "",
    profile: Path | None = None,
    planners: Mapping[str, Planner] | None = None,
    done: Done = _silent,
) -> Analysis:
    """Read a topology, ask every planner, choose.

    `source` is what `bridge.topology_source.load_source` takes, or a workload that was read. A
    live topology's running plan is the first candidate, and the others say how many of its
    instances would restart. Raises InvalidRequest, Infeasible, `bridge.errors.Unreachable`.
    """
    workload = source if isinstance(source, Workload) else load_source(source, profile, done)
    request = request_for(workload)
    asked = planners_for(request) if planners is None else planners
    running = workload.running
    decision = choose(
        request,
        {name: _telling(name, planner, done) for name, planner in asked.items()},
        None if running is None else HeronPlan(renumbered(running)),
        objective,
        time.perf_counter,
    )
    return Analysis(workload, request, _beside(running, decision) if running else decision)


def _telling(name: str, planner: Planner, done: Done) -> Planner:
    def plan(request: Request) -> Plan:
        try:
            return planner(request)
        finally:
            done(name)

    return plan


def renumbered(plan: Plan) -> Plan:
    """The same placement with task ids 1..n and component indexes without gaps, in their order.

    Updates leave gaps behind; a fresh plan has none, and the two are compared as fresh ones.
    """
    tasks = plan.task_id.argsort().argsort() + 1
    index = plan.index.copy()
    for component in range(len(plan.components)):
        members = plan.component == component
        index[members] = plan.index[members].argsort().argsort()
    return replace(plan, task_id=tasks, index=index)


def _beside(running: Plan, decision: Decision) -> Decision:
    """The decision with what each plan would move, and the running plan under its own name."""

    def named(candidate: Candidate) -> Candidate:
        if candidate.planner == HERON:
            return replace(
                candidate,
                planner=RUNNING,
                disruption=disruption(running, running),
                plan=candidate.plan if candidate.plan is None else running,
            )
        if candidate.plan is None:
            return candidate
        return replace(candidate, disruption=disruption(candidate.plan, running))

    chosen = named(decision.chosen)
    assert chosen.plan is not None
    assert chosen.disruption is not None
    moved = chosen.disruption
    told = (
        f"{moved.restarted_instances} of {moved.survivors} running instances would restart, in "
        "another container or under another task id; `heron update` changes plans within its own "
        "rules, so that the plan as shown takes a new submit"
    )
    return replace(
        decision,
        chosen=chosen,
        plan=chosen.plan,
        candidates=tuple(named(c) for c in decision.candidates),
        reasons=(
            *(_renamed(reason) for reason in decision.reasons),
            *(() if chosen.planner == RUNNING else (told,)),
        ),
    )


def _renamed(reason: str) -> str:
    """A sentence of the decision in which the candidate `heron` is the running plan."""
    for before, after in (
        (f"{HERON} is best", f"{RUNNING} is best"),
        (f"against {HERON}:", f"against {RUNNING}:"),
        (f"more than {HERON})", f"more than {RUNNING})"),
        (f"{HERON} ranks lower", f"{RUNNING} ranks lower"),
        (f"{HERON} has no usable plan", f"{RUNNING} has no usable plan"),
    ):
        reason = reason.replace(before, after)
    return reason
