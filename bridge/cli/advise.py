"""`heron-bridge advise`: how many instances of each component a rate takes."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bridge.advising import advice_to_json
from bridge.advising import advise as advise_about
from bridge.cli.goal_options import objective_option
from bridge.cli.plan import print_containers
from bridge.cli.progress import progress
from bridge.cli.source import one_source
from bridge.cli.terminal import (
    EXIT_REFUSED,
    json_option,
    plain_table,
    print_table,
    profile_option,
    sentences,
)
from bridge.plan_file import load_plan
from bridge.topology_source import load_source
from packing.advice import Advice, infeasible
from packing.advice.rate_goal import HEADROOM
from packing.resources import GIB

STEPS = 12
"""About so many answers of a Tracker, plans of planners and rows of the table."""


@click.command()
@click.option(
    "--rate",
    type=float,
    required=True,
    metavar="R",
    help="Tuples per second over all instances of the spouts.",
)
@click.option(
    "--headroom",
    type=float,
    default=HEADROOM,
    show_default=True,
    metavar="SHARE",
    help="Share of capacity that stays free.",
)
@click.option(
    "--latency-p99",
    type=float,
    metavar="MS",
    help="Limit of the 99th percentile of the latency.",
)
@click.option(
    "--containers", type=int, metavar="N", help="So many containers; as few as do without it."
)
@click.option(
    "--probability",
    type=float,
    metavar="P",
    help="With which the rate is carried, given what is not known exactly; without it the "
    "prediction decides.",
)
@click.option(
    "--running",
    type=click.Path(path_type=Path),
    metavar="PLAN",
    help="A plan file: what runs now, and is to be updated.",
)
@objective_option
@click.option(
    "--costs",
    type=click.Choice(["included", "added"]),
    help="Heron's own work per tuple: included in the times of the workload (the default), or "
    "added to them (the default for a live topology).",
)
@profile_option
@json_option
@sentences
@one_source
def advise(  # noqa: PLR0917 - an option each
    source: str,
    rate: float,
    headroom: float,
    latency_p99: float | None,
    containers: int | None,
    probability: float | None,
    running: Path | None,
    objective: str,
    costs: str | None,
    profile: Path | None,
    as_json: bool,
) -> None:
    """The smallest parallelism per component, with a plan, that carries a rate.

    SOURCE is a workload file (JSON, YAML), a .defn file with --profile, or a live topology
    (tracker:http://host:port/cluster/environ/topology), which is then scaled up or down.
    """
    with progress(STEPS) as done:
        workload = load_source(source, profile, done)
        found = advise_about(
            workload,
            rate,
            headroom,
            probability,
            None if latency_p99 is None else latency_p99 / 1000,
            containers,
            running=None if running is None else load_plan(running, workload.topology),
            added_costs=None if costs is None else costs == "added",
            objective=objective,
            done=done,
        )
    if as_json:
        click.echo(json.dumps(advice_to_json(workload.name, found)))
    if found.plan is None:
        if as_json:
            # The document is there for programs; the sentence and the code say the same.
            click.echo(f"heron-bridge: {infeasible(found)}", err=True)
            raise SystemExit(EXIT_REFUSED)
        print_steps(found)
        raise infeasible(found)
    if not as_json:
        print_advice(workload.name, found)


def print_advice(name: str, found: Advice) -> None:
    """The parallelism, the reasons, cost against load, and the plan."""
    console = Console(highlight=False)
    console.print(f"{name}: {found.goal.rate_per_s:,.10g} tuples/s", markup=False)
    table = _table()
    now = "runs" if found.disruption is not None else "stated"
    for heading in (now, "advised"):
        table.add_column(heading, justify="right")
    for component, advised in found.parallelism.items():
        table.add_row(component, str(found.running[component]), str(advised))
    print_table(table)
    for reason in found.reasons:
        console.print(f"  - {reason}", markup=False)
    for basis in found.basis:
        told = f"  - {basis.quantity} ({basis.source.value}): {basis.detail}"
        console.print(told, markup=False, style="dim")
    print_steps(found)
    assert found.plan is not None
    console.print(f"plan of {found.planner}:", markup=False)
    print_containers(found.plan)


def print_steps(found: Advice) -> None:
    """What other loads would take, a row each."""
    if not found.steps:
        return
    console = Console(highlight=False)
    console.print("cost against load")
    table = _table("load")
    for heading in ("tuples/s", "instances", "cont.", "cores", "GiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for step in found.steps:
        figures = ("-",) * 4
        if not step.impossible:
            figures = (
                str(sum(step.parallelism.values())),
                str(step.containers),
                _amount(step.cores),
                _amount(step.ram_bytes / GIB),
            )
        table.add_row(f"x{step.load_factor:g}", _amount(step.rate_per_s), *figures)
    print_table(table)
    # Mostly the same limit is in the way of all of them.
    limits: dict[str, list[str]] = {}
    for step in found.steps:
        if step.impossible:
            limits.setdefault(step.impossible, []).append(f"x{step.load_factor:g}")
    for limit, loads in limits.items():
        console.print(f"  - {', '.join(loads)}: {limit}", markup=False)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _table(first: str = "component") -> Table:
    table = plain_table()
    table.add_column(first, no_wrap=True)
    return table
