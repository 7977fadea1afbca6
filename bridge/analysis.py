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

from bridge.comparison import AS_IT_SAYS, Update, Wanted, request_for
from bridge.plan_file import load_plan
from bridge.planners import planners_for
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing.choose import Candidate, Decision, HeronPlan, choose, judge
from packing.disruption import disruption
from packing.errors import Infeasible, InvalidRequest
from packing.model import Prediction
from packing.pareto import pareto
from packing.plan import Plan
from packing.planners import Planner
from packing.profile import Basis, Source
from packing.request import Request
from packing.scenario import Outcome, Scenario, predict_scenario

RUNNING = "running"
"""Name of the plan that a live topology runs under, among the candidates."""

LIVE = "live load"
"""Heading of what is known of a load that was measured."""

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

    @property
    def running(self) -> Candidate | None:
        """The plan that a live topology runs under; None where it was read from a file."""
        return next(
            (c for c in self.decision.candidates if c.planner == RUNNING and c.usable), None
        )

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

    def with_candidate(self, candidate: Candidate) -> Analysis:
        """The same with another plan in the place of the chosen one, such as one that runs."""
        assert candidate.plan is not None
        others = tuple(c for c in self.decision.candidates if c.planner != candidate.planner)
        decision = replace(
            self.decision,
            chosen=candidate,
            plan=candidate.plan,
            candidates=(candidate, *others),
            reasons=(f"{candidate.planner} was asked for, whatever else there is",),
            pareto=(),
            bounds=None,
            gaps=None,
        )
        return replace(self, decision=decision)

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
    wanted: Wanted = AS_IT_SAYS,
    profile: Path | None = None,
    done: Done = _silent,
    *,
    planners: Mapping[str, Planner] | None = None,
    update: Update | None = None,
) -> Analysis:
    """Read a topology, ask every planner, choose.

    `source` is what `bridge.topology_source.load_source` takes, or a workload that was read;
    `wanted` says what the plan is for. A live topology's running plan is the first candidate, and
    the others say how many of its instances would restart; with `update` all are plans that
    `heron update` could go over to. `planners` are asked instead of the installed ones. Raises
    InvalidRequest, Infeasible, `bridge.errors.Unreachable`.
    """
    workload = source if isinstance(source, Workload) else load_source(source, profile, done)
    request, goal = request_for(workload, wanted, update), wanted.goal
    asked = planners_for(request) if planners is None else planners
    running = workload.running if update is None else None

    def clock() -> float:
        # Read whenever a plan is there.
        done("plans")
        return time.perf_counter()

    heron = None if running is None else HeronPlan(renumbered(running), name=RUNNING)
    decision = choose(
        request, asked, heron, goal.objective, clock, enough=goal.enough, budget=goal.budget
    )
    if running is not None:
        decision = _beside(running, decision)
    told = tuple(Basis(LIVE, Source.MEASURED, note) for note in workload.notes)
    return Analysis(workload, request, replace(decision, basis=(*decision.basis, *told)))


def from_plan_file(
    path: Path, workload: Workload, wanted: Wanted = AS_IT_SAYS
) -> tuple[Workload, Candidate]:
    """A plan file as a candidate, and the workload at the parallelism that the plan has.

    What `advise` and updates lead to has other numbers of instances than the workload states, and
    may have gaps between its task ids. Raises InvalidRequest for a plan that could not run.
    """
    plan = load_plan(path, workload.topology)
    parallelism = plan.parallelism
    stated = {c.name: c.parallelism for c in workload.topology.components}
    if parallelism != stated and all(parallelism.values()):
        topology = workload.topology.with_parallelism(parallelism)
        workload = replace(workload, topology=topology, running=None)
    candidate = judge(path.name, renumbered(plan), request_for(workload, wanted))
    if not candidate.usable:
        raise InvalidRequest(f"{path} is no plan that could run: {candidate.failure}")
    return workload, replace(candidate, plan=plan)


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
    """The decision with what each plan would move, and the running plan under its own task ids."""

    def compared(candidate: Candidate) -> Candidate:
        if candidate.planner == RUNNING:
            return replace(
                candidate,
                disruption=disruption(running, running),
                plan=candidate.plan if candidate.plan is None else running,
            )
        if candidate.plan is None:
            return candidate
        return replace(candidate, disruption=disruption(candidate.plan, running))

    chosen = compared(decision.chosen)
    assert chosen.plan is not None
    assert chosen.disruption is not None
    moved = chosen.disruption
    told = (
        f"{moved.restarted_instances} of {moved.survivors} running instances would restart, in "
        "another container or under another task id; `heron update` changes plans within its own "
        "rules, so that the plan as shown takes a new submit"
    )
    candidates = tuple(compared(c) for c in decision.candidates)
    return replace(
        decision,
        chosen=chosen,
        plan=chosen.plan,
        candidates=candidates,
        # Which ones nothing beats depends on the restarts, which were not known before.
        pareto=pareto(candidates),
        reasons=(
            *decision.reasons,
            *(() if chosen.planner == RUNNING else (told,)),
        ),
    )
