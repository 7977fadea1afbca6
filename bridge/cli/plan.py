"""`heron-bridge plan`: the plan for one workload."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
from rich.console import Console

from bridge.cli.terminal import (
    candidate_table,
    json_option,
    objective_option,
    print_decision,
    profile_option,
    sentences,
)
from bridge.comparison import compare, request_for
from bridge.plan_file import plan_to_json
from bridge.planners import installed_planners
from bridge.workload import load_workload
from packing.choose import ask
from packing.errors import Infeasible, InvalidRequest
from packing.objective import check_objective
from packing.plan import Plan


@click.command()
@click.argument("workload", type=click.Path(path_type=Path))
@click.option("--planner", default="", metavar="NAME", help="This planner's plan, not the best.")
@objective_option
@profile_option
@json_option
@sentences
def plan(workload: Path, planner: str, objective: str, profile: Path | None, as_json: bool) -> None:
    """Print the best plan for WORKLOAD, or that of one planner; --json gives a plan file."""
    loaded = load_workload(workload, profile)
    if not planner:
        decision = compare(loaded, objective)
        if as_json:
            click.echo(json.dumps(plan_to_json(decision.plan)))
        else:
            print_decision(loaded.name, decision)
            print_containers(decision.plan)
        return
    planners = installed_planners()
    if planner not in planners:
        raise InvalidRequest(f"planner {planner!r} does not exist; use {', '.join(planners)}")
    request = request_for(loaded)
    check_objective(objective)
    candidate = ask(planner, planners[planner], request, time.perf_counter)
    if candidate.plan is None or not candidate.usable:
        raise Infeasible(f"{planner} has no plan that could run: {candidate.failure}")
    if as_json:
        click.echo(json.dumps(plan_to_json(candidate.plan)))
    else:
        Console(highlight=False).print(candidate_table(loaded.name, [candidate], planner))
        print_containers(candidate.plan)


def print_containers(shown: Plan) -> None:
    """One line a container: its size and how many instances of each component it holds."""
    for position, container_id in enumerate(shown.container_ids.tolist()):
        contents = ", ".join(
            f"{count} {name}" if count > 1 else name
            for name, count in zip(
                shown.components, shown.counts[:, position].tolist(), strict=True
            )
            if count
        )
        cores = float(shown.container_cpu_cores[position])
        click.echo(f"  container {container_id}: {cores:g} cores: {contents}")
