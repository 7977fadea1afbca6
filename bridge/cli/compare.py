"""`heron-bridge compare`: every planner's plan for a topology, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.analysis import Analysis, analyse
from bridge.cli.decision_table import print_decision
from bridge.cli.goal_options import goal_options
from bridge.cli.html import PAGE_STEPS, html_option, write_page
from bridge.cli.progress import progress
from bridge.cli.source import many_sources
from bridge.cli.terminal import json_option, profile_option, sentences
from bridge.cli.update_options import update_options
from bridge.comparison import Update, Wanted, comparison_to_json, rescale
from bridge.planners import planners_for
from packing.errors import InvalidRequest

STEPS = 16
"""About so many answers of a Tracker and plans of planners."""


@click.command()
@profile_option
@html_option
@json_option
@sentences
@goal_options
@update_options
@many_sources
def compare(  # noqa: PLR0917 - an option each
    sources: list[str],
    wanted: Wanted,
    update: Update | None,
    profile: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Compare the planners on SOURCE: workload files (JSON, YAML), .defn files, folders of them,
    or live topologies (tracker:http://host:port/cluster/environ/topology).

    Heron's own packers come first; of a live topology the plan it runs under, and the others then
    say how many running instances would restart. With --json one object a line, which also tells
    what each planner makes of the change of parallelism that a file proposes under `scale`. With
    --parallelism or --containers planners are compared on an update of what runs.
    """
    if html is not None and len(sources) > 1:
        raise InvalidRequest(f"--html is for one topology, and {len(sources)} are named")
    if update is not None and len(sources) > 1:
        raise InvalidRequest(f"an update is of one topology, and {len(sources)} are named")
    for name in sources:
        with progress(STEPS if html is None else STEPS + PAGE_STEPS) as done:
            analysis = analyse(name, wanted, profile, done, update=update)
            if html is not None:
                write_page(html, analysis.html(done=done))
        if as_json:
            click.echo(json.dumps(_to_json(analysis, wanted)))
        else:
            print_decision(analysis.workload.name, analysis.decision)


def _to_json(analysis: Analysis, wanted: Wanted) -> dict[str, object]:
    if analysis.request.current is not None:
        return comparison_to_json(analysis.workload, analysis.decision, {})
    planners = planners_for(analysis.request)
    rescaled = {
        c.planner: rescale(analysis.workload, c, planners[c.planner], wanted)
        for c in analysis.decision.candidates
        if c.planner in planners
    }
    return comparison_to_json(analysis.workload, analysis.decision, rescaled)
