"""`heron-bridge predict`: what a plan would do, as it is and under other circumstances."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from bridge.analysis import analyse
from bridge.cli.outcome_table import print_memory, print_outcomes
from bridge.cli.progress import progress
from bridge.cli.scenarios import scenario_options, scenarios
from bridge.cli.source import one_source
from bridge.cli.terminal import json_option, profile_option, sentences
from bridge.comparison import candidate_to_json, outcome_to_json, request_for
from bridge.plan_file import load_plan
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing.choose import Candidate, judge
from packing.errors import Infeasible, InvalidRequest
from packing.request import Request
from packing.scenario import AS_IT_IS, Outcome, Scenario, predict_scenario

STEPS = 18
"""About so many answers of a Tracker and plans of planners; scenarios are counted beside."""

_EXAMPLES = """\b
Each option is a scenario of its own and may be repeated; a comma joins several
changes of one kind into one scenario, --together everything.
    predict w.json --rate x1.5 --rate x2 --parallelism split=4,count=8 --lose 2
"""


@click.command(epilog=_EXAMPLES)
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
        loaded = load_source(source, profile, done)
        request = request_for(loaded)
        base = _candidate(plan_path, loaded, request, done)
        assert base.plan is not None
        as_it_is = predict_scenario(AS_IT_IS, request, base.plan)
        found: list[tuple[Scenario, Outcome | Infeasible]] = []
        for scenario in asked:
            found.append((scenario, _outcome(scenario, request, base)))
            done(scenario.title)
    if as_json:
        document = candidate_to_json(_with_intervals(base, as_it_is), with_plan=False)
        if found:
            document["scenarios"] = [outcome_to_json(*one) for one in found]
        click.echo(json.dumps(document))
        return
    print_outcomes(f"{loaded.name}: {base.planner}", [(AS_IT_IS, as_it_is), *found])
    if as_it_is.prediction.memory:
        print_memory(as_it_is.prediction.memory)
    for violation in base.violations:
        click.echo(f"  - {violation.message}")


def _candidate(
    plan_path: Path | None, workload: Workload, request: Request, done: Callable[[str], None]
) -> Candidate:
    """The plan to predict: the one of the file, else what runs, else the best."""
    if plan_path is None:
        found = analyse(workload, done=done)
        return found.running or found.decision.chosen
    candidate = judge(plan_path.name, load_plan(plan_path, request.topology), request)
    if not candidate.usable:
        raise InvalidRequest(f"{plan_path} is no plan that could run: {candidate.failure}")
    return candidate


def _with_intervals(base: Candidate, as_it_is: Outcome) -> Candidate:
    return replace(base, prediction=as_it_is.prediction, intervals=as_it_is.intervals)


def _outcome(scenario: Scenario, request: Request, base: Candidate) -> Outcome | Infeasible:
    assert base.plan is not None
    try:
        return predict_scenario(scenario, request, base.plan)
    except Infeasible as error:
        return error
