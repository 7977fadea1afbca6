"""`heron-bridge predict`: what a given plan would do."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from bridge.cli.terminal import candidate_table, json_option, profile_option, sentences
from bridge.comparison import candidate_to_json, request_for
from bridge.plan_file import load_plan
from bridge.workload import load_workload
from packing.choose import judge
from packing.errors import InvalidRequest


@click.command()
@click.argument("workload", type=click.Path(path_type=Path))
@click.option(
    "--plan",
    "plan_path",
    required=True,
    type=click.Path(path_type=Path),
    help="A plan file, as `heron-bridge plan --json` writes it.",
)
@profile_option
@json_option
@sentences
def predict(workload: Path, plan_path: Path, profile: Path | None, as_json: bool) -> None:
    """Predict what PLAN would do with the topology and load of WORKLOAD."""
    loaded = load_workload(workload, profile)
    plan = load_plan(plan_path, loaded.topology)
    candidate = judge(plan_path.name, plan, request_for(loaded))
    if not candidate.usable:
        raise InvalidRequest(f"{plan_path} is no plan that could run: {candidate.failure}")
    if as_json:
        click.echo(json.dumps(candidate_to_json(candidate, with_plan=False)))
        return
    Console(highlight=False).print(candidate_table(loaded.name, [candidate], ""))
    if candidate.prediction is not None:
        click.echo(f"  - limit: {candidate.prediction.bottleneck}")
    for violation in candidate.violations:
        click.echo(f"  - {violation.message}")
