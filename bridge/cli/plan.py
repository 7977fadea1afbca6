"""`heron-bridge plan`: the plan for one topology."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from bridge.amounts import ranges
from bridge.analysis import analyse
from bridge.cli.decision_table import print_candidates, print_decision
from bridge.cli.goal_options import goal_options
from bridge.cli.html import PAGE_STEPS, html_option, write_page
from bridge.cli.progress import progress
from bridge.cli.source import one_source
from bridge.cli.terminal import completing, json_option, profile_option, sentences
from bridge.cli.update_options import update_options
from bridge.comparison import Update, Wanted, request_for
from bridge.plan_file import plan_to_json
from bridge.planners import installed_planners
from bridge.topology_source import load_source
from packing.choose import Candidate, ask
from packing.errors import Infeasible, InvalidRequest
from packing.plan import Plan
from packing.request import Request

STEPS = 16
"""About so many answers of a Tracker and plans of planners."""


@click.command()
@click.option(
    "--planner",
    default="",
    metavar="NAME",
    help="This planner's plan, not the best.",
    shell_complete=completing(installed_planners),
)
@profile_option
@html_option
@json_option
@sentences
@goal_options
@update_options
@one_source
def plan(  # noqa: PLR0917 - an option each
    source: str,
    wanted: Wanted,
    update: Update | None,
    planner: str,
    profile: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Print the best plan for SOURCE, or that of one planner; --json gives a plan file.

    SOURCE is a workload file (JSON, YAML), a .defn file, or a live topology
    (tracker:http://host:port/cluster/environ/topology). With --parallelism or --containers it is
    the plan that an update of what runs would lead to.
    """
    with progress(STEPS if html is None else STEPS + PAGE_STEPS) as done:
        if planner:
            workload = load_source(source, profile, done)
            chosen = _asked(planner, request_for(workload, wanted, update))
            if html is not None:
                others = analyse(workload, wanted, done=done, update=update)
                write_page(html, others.with_candidate(chosen).html(done=done))
            title, made, decision = workload.name, chosen.plan, None
        else:
            analysis = analyse(source, wanted, profile, done, update=update)
            if html is not None:
                write_page(html, analysis.html(done=done))
            title, made, decision = analysis.workload.name, analysis.plan, analysis.decision
    assert made is not None
    if as_json:
        click.echo(json.dumps(plan_to_json(made)))
        return
    if decision is None:
        print_candidates(title, [chosen], planner)
    else:
        print_decision(title, decision)
    print_containers(made)


def _asked(planner: str, request: Request) -> Candidate:
    """One planner's plan. Raises InvalidRequest for a name, Infeasible when it has none."""
    planners = installed_planners()
    if planner not in planners:
        raise InvalidRequest(f"planner {planner!r} does not exist; use {', '.join(planners)}")
    candidate = ask(planner, planners[planner], request, time.perf_counter)
    if candidate.plan is None or not candidate.usable:
        raise Infeasible(f"{planner} has no plan that could run: {candidate.failure}")
    return candidate


def print_containers(shown: Plan) -> None:
    """Their size and how many instances of each component they hold; alike ones in one line."""
    alike: dict[tuple[float, tuple[int, ...]], list[int]] = {}
    for this, cores, counts in zip(
        shown.container_ids.tolist(),
        shown.container_cpu_cores.tolist(),
        shown.counts.T.tolist(),
        strict=True,
    ):
        alike.setdefault((cores, tuple(counts)), []).append(this)
    for (cores, counts), ids in alike.items():
        held = ", ".join(
            f"{count} {name}" if count > 1 else name
            for count, name in zip(counts, shown.components, strict=True)
            if count
        )
        size = f"{cores:g} {'core' if cores == 1 else 'cores'}"
        if len(ids) == 1:
            click.echo(f"  container {ids[0]}: {size}: {held}")
        else:
            click.echo(f"  containers {ranges(ids)}: {size} each: {held}")
