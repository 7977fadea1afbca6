"""`heron-bridge accuracy` and `calibrate`: the model held against measured runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bridge.accuracy import RESOLVED, Judged, NextFull, Pair, judge_runs, plan_pairs, summarise
from bridge.calibration import calibrate as fit_costs
from bridge.cli.terminal import json_option, plain_table, sentences
from bridge.heron_costs import (
    SHIPPED,
    CostFile,
    load_costs,
    residual_to_json,
    write_costs,
)
from bridge.measured_run import load_runs

EXPLANATION = """~ drifting; measured, model: tuples/s at the sinks; CPU, stmgr: the worst of
the containers; ms: mean latency; full: the saturated container is named; next:
the one called next has the highest measured utilisation of the others"""
VERDICTS = {None: "", True: "yes", False: "NO"}


@click.command()
@click.option("--runs", required=True, type=click.Path(path_type=Path), help="Folder of run files.")
@click.option(
    "--costs",
    type=click.Path(path_type=Path),
    default=SHIPPED,
    show_default="the shipped file",
    help="Cost file, as `heron-bridge calibrate` writes it.",
)
@json_option
@sentences
def accuracy(runs: Path, costs: Path, as_json: bool) -> None:
    """Predict every measured run, with costs that were not fitted to its workload.

    Prints predicted beside measured; the summary counts the runs that were in steady state.
    """
    judged = judge_runs(load_runs(runs), load_costs(costs))
    if as_json:
        pairs = plan_pairs(judged)
        for entry in judged:
            click.echo(json.dumps(_to_json(entry, pairs)))
        return
    _print_table(judged)


def _to_json(entry: Judged, pairs: Sequence[Pair]) -> dict[str, Any]:
    after = entry.next_full
    return {
        "run": entry.run.run_id,
        "predicted": entry.predicted,
        "errors": entry.errors,
        "yardstick": entry.run.yardstick,
        "saturated_right": entry.saturated_right,
        "next": None
        if after is None
        else {
            "called": after.called,
            "measured": after.measured,
            "utilisation": after.utilisation,
            "right": after.right,
        },
        "better_than": [
            {"run": pair.worse.run.run_id, "ordered_right": pair.ordered_right}
            for pair in pairs
            if pair.better is entry
        ],
    }


def _print_table(judged: list[Judged]) -> None:
    table = plain_table(gap=0)
    table.add_column("run", no_wrap=True)
    for heading in ("measured", "model", "error", "CPU", "stmgr", "ms", "full", "next"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in judged:
        cpu = [e for name, e in entry.errors.items() if name.startswith("container")]
        managers = [e for name, e in entry.errors.items() if name.startswith("stream")]
        latency = entry.errors.get("mean latency")
        table.add_row(
            entry.run.run_id + ("" if entry.run.yardstick else "~"),
            f"{entry.run.measured['throughput_per_s']:.0f}",
            f"{entry.predicted['throughput_per_s']:.0f}",
            f"{entry.errors['throughput']:+.1%}",
            f"{max(cpu, key=abs):+.0%}",
            f"{max(managers, key=abs):+.0%}",
            "" if latency is None else f"{latency:+.0%}",
            VERDICTS[entry.saturated_right],
            VERDICTS[None if entry.next_full is None else entry.next_full.right],
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(EXPLANATION)
    summary = summarise(judged)
    console.print(f"\n{summary.runs} steady runs: mean absolute error, worst, bias")
    for kind, mean in summary.mean_absolute.items():
        console.print(
            f"  {kind:20} {mean:6.1%} {summary.worst[kind]:6.1%} {summary.bias[kind]:+6.1%}"
        )
    _print_choices(console, judged)


def _print_choices(console: Console, judged: Sequence[Judged]) -> None:
    """How often the model says the right thing where a planner has to choose."""
    saturated = [entry.saturated_right for entry in judged if entry.saturated_right is not None]
    console.print(f"  saturated container  {sum(saturated)} of {len(saturated)} runs")
    after = [(entry, entry.next_full) for entry in judged if entry.next_full is not None]
    console.print(f"  next container       {sum(n.right for _, n in after)} of {len(after)} runs")
    for entry, found in after:
        if not found.right:
            called = "none" if found.called is None else _used(found, found.called)
            console.print(
                f"    {entry.run.run_id}: called {called}, measured {_used(found, found.measured)}"
            )
    pairs = plan_pairs(judged)
    right = sum(pair.ordered_right for pair in pairs)
    console.print(
        f"  order of plans       {right} of {len(pairs)} pairs that differ by more than "
        f"{RESOLVED:.0%}"
    )
    for pair in pairs:
        if not pair.ordered_right:
            console.print(
                f"    {pair.better.run.run_id} carries more than {pair.worse.run.run_id}, which "
                "the model denies"
            )


def _used(found: NextFull, container: int) -> str:
    used = found.utilisation.get(container)
    return f"{container}" if used is None else f"{container} ({used:.1%} used)"


@click.command()
@click.option("--runs", required=True, type=click.Path(path_type=Path), help="Folder of run files.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Cost file to write."
)
@click.option("--version", "name", required=True, help="Name of what was measured.")
@json_option
@sentences
def calibrate(runs: Path, output: Path, name: str, as_json: bool) -> None:
    """Fit what Heron's own code costs to measured runs, and write a cost file.

    The file also holds the fit without each workload in turn, for `heron-bridge accuracy`.
    """
    measured = load_runs(runs)
    fit = fit_costs(measured, name)
    workloads = sorted({run.workload for run in measured})
    without = {}
    if len(workloads) > 1:
        for workload in workloads:
            others = [run for run in measured if run.workload != workload]
            without[workload] = fit_costs(others, f"{name} without {workload}").costs
    residuals = {
        "instance CPU": residual_to_json(fit.instance_residual),
        "stream-manager CPU": residual_to_json(fit.manager_residual),
        "garbage collection": residual_to_json(fit.gc_residual),
    }
    write_costs(output, CostFile(fit.costs, fit.runs, residuals, without))
    if as_json:
        told = {"output": str(output), "runs": list(fit.runs), "residuals": residuals}
        click.echo(json.dumps(told))
        return
    click.echo(
        f"{output}: fitted to {len(fit.runs)} runs; CPU of instances is explained to "
        f"{fit.instance_residual.mean_absolute:.1%}, of stream managers to "
        f"{fit.manager_residual.mean_absolute:.1%}, of garbage collection to "
        f"{fit.gc_residual.mean_absolute:.1%} on average"
    )
