"""`heron-bridge predict`: what a plan would do, as it is and under other circumstances."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bridge.analysis import analyse, from_plan_file
from bridge.cli.outcome_table import print_memory, print_outcomes, print_remarks
from bridge.cli.progress import progress
from bridge.cli.scenarios import examples, scenario_options, scenarios
from bridge.cli.source import one_source
from bridge.cli.terminal import json_option, profile_option, sentences
from bridge.comparison import candidate_to_json, outcome_to_json, request_for
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing.choose import Candidate
from packing.errors import Infeasible
from packing.request import Request
from packing.scenario import AS_IT_IS, Outcome, Scenario, predict_scenario

STEPS = 18
"""About so many answers of a Tracker and plans of planners; scenarios are counted beside."""


@click.command(epilog=examples("predict"))
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="A plan file, as `heron-bridge plan --json` writes it; without it the plan that a live "
    "topology runs under, else the best.",
)
@scenario_options
@profile_option
@json_option
@sentences
@one_source
def predict(
    source: str,
    plan_path: Path | None,
    profile: Path | None,
    together: bool,
    as_json: bool,
    **changes: tuple[Any, ...],
) -> None:
    """Predict what a plan would do with the topology and load of SOURCE, with its memory.

    SOURCE is a workload file (JSON, YAML), a .defn file, or a live topology
    (tracker:http://host:port/cluster/environ/topology). Intervals hold 80 % of what may be, given
    how exactly the load, Heron's costs and the model are known.
    """
    asked = scenarios(together, **changes)
    with progress(STEPS + len(asked)) as done:
        read = load_source(source, profile, done)
        loaded, base = _based(read, plan_path, done)
        request = request_for(loaded)
        assert base.plan is not None
        as_it_is = predict_scenario(AS_IT_IS, request, base.plan)
        found: list[tuple[Scenario, Outcome | Infeasible]] = []
        for scenario in asked:
            found.append((scenario, _outcome(scenario, request, base)))
            done(scenario.title)
    if as_json:
        document = candidate_to_json(_with_intervals(base, as_it_is), with_plan=False)
        document["parallelism"] = base.plan.parallelism
        if found:
            document["scenarios"] = [outcome_to_json(*one) for one in found]
        click.echo(json.dumps(document))
        return
    print_outcomes(f"{loaded.name}: {base.planner}", [(AS_IT_IS, as_it_is), *found])
    if as_it_is.prediction.memory:
        print_memory(as_it_is.prediction.memory)
    print_remarks(base, read.topology)


def _based(
    workload: Workload, plan_path: Path | None, done: Callable[[str], None]
) -> tuple[Workload, Candidate]:
    """The plan to predict: the one of the file, else what runs, else the best."""
    if plan_path is not None:
        return from_plan_file(plan_path, workload)
    found = analyse(workload, done=done)
    return workload, found.running or found.decision.chosen


def _with_intervals(base: Candidate, as_it_is: Outcome) -> Candidate:
    return replace(base, prediction=as_it_is.prediction, intervals=as_it_is.intervals)


def _outcome(scenario: Scenario, request: Request, base: Candidate) -> Outcome | Infeasible:
    assert base.plan is not None
    try:
        return predict_scenario(scenario, request, base.plan)
    except Infeasible as error:
        return error
