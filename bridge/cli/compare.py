"""`heron-bridge compare`: every planner's plan for a workload, side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.cli.terminal import (
    json_option,
    objective_option,
    print_decision,
    profile_option,
    sentences,
)
from bridge.comparison import compare as compare_planners
from bridge.comparison import comparison_to_json, request_for, rescale
from bridge.planners import planners_for
from bridge.workload import load_workload, workload_paths


@click.command()
@click.argument("workloads", nargs=-1, required=True, type=click.Path(path_type=Path))
@objective_option
@profile_option
@json_option
@sentences
def compare(
    workloads: tuple[Path, ...], objective: str, profile: Path | None, as_json: bool
) -> None:
    """Compare the planners on WORKLOADS: files (JSON, YAML, .defn) or folders of them.

    With --json one object a line, which also tells what each planner makes of the change of
    parallelism that the file proposes under `scale`.
    """
    for path in workload_paths(list(workloads)):
        workload = load_workload(path, profile)
        decision = compare_planners(workload, objective)
        if not as_json:
            print_decision(workload.name, decision)
            continue
        planners = planners_for(request_for(workload))
        rescaled = {
            c.planner: rescale(workload, c, planners[c.planner])
            for c in decision.candidates
            if c.planner in planners
        }
        click.echo(json.dumps(comparison_to_json(workload, decision, rescaled)))
