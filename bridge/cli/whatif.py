"""`heron-bridge whatif`: a topology under other circumstances, beside how it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bridge.analysis import Analysis, analyse, from_plan_file
from bridge.cli.goal_options import goal_options
from bridge.cli.html import PAGE_STEPS, html_option, write_page
from bridge.cli.outcome_table import print_outcomes, print_remarks
from bridge.cli.progress import progress
from bridge.cli.scenarios import examples, scenario_options, scenarios
from bridge.cli.source import one_source
from bridge.cli.terminal import json_option, profile_option, sentences
from bridge.comparison import Wanted, outcome_to_json
from bridge.topology_source import load_source
from bridge.workload import Workload
from packing.errors import InvalidRequest
from packing.scenario import AS_IT_IS

STEPS = 18
"""About so many answers of a Tracker and plans of planners; scenarios are counted beside."""


@click.command(epilog=examples("whatif"))
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path),
    help="A plan file; without it the plan that a live topology runs under, else the best.",
)
@scenario_options
@profile_option
@html_option
@json_option
@sentences
@goal_options
@one_source
def whatif(  # noqa: PLR0917 - an option each
    source: str,
    wanted: Wanted,
    plan_path: Path | None,
    together: bool,
    profile: Path | None,
    html: Path | None,
    as_json: bool,
    **changes: tuple[Any, ...],
) -> None:
    """Predict SOURCE under scenarios, one a row, beside how it is.

    SOURCE is a workload file (JSON, YAML), a .defn file, or a live topology
    (tracker:http://host:port/cluster/environ/topology). Intervals hold 80 % of what may be, given
    how exactly the load, Heron's costs and the model are known.
    """
    asked = scenarios(together, **changes)
    if not asked:
        raise InvalidRequest("no scenario is given: add --rate x1.5, --containers 6 or another")
    with progress(STEPS + len(asked) + (0 if html is None else PAGE_STEPS)) as done:
        read = load_source(source, profile, done)
        analysis = _based(read, wanted, plan_path, done)
        found = analysis.outcomes([AS_IT_IS, *asked], done=done)
        if html is not None:
            from bridge.report import report  # noqa: PLC0415 - tables need no pictures

            write_page(html, report(analysis, found[1:], done))
    base = analysis.decision.chosen
    if as_json:
        document = {
            "workload": analysis.workload.name,
            "plan": base.planner,
            "parallelism": analysis.plan.parallelism,
            "scenarios": [outcome_to_json(*one) for one in found],
        }
        click.echo(json.dumps(document))
        return
    print_outcomes(f"{analysis.workload.name}: {base.planner}", found)
    print_remarks(base, read.topology)


def _based(
    workload: Workload, wanted: Wanted, plan_path: Path | None, done: Callable[[str], None]
) -> Analysis:
    """The analysis of the plan that the scenarios start from."""
    base = None
    if plan_path is not None:
        workload, base = from_plan_file(plan_path, workload, wanted)
    analysis = analyse(workload, wanted, done=done)
    base = base or analysis.running
    return analysis if base is None else analysis.with_candidate(base)
