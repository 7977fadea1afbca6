"""`heron-bridge accuracy` and `calibrate`: the model held against measured runs."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from bridge.accuracy import Judged, judge_runs, summarise
from bridge.calibration import calibrate as fit_costs
from bridge.cli.terminal import json_option, sentences
from bridge.heron_costs import (
    SHIPPED,
    CostFile,
    load_costs,
    residual_to_json,
    write_costs,
)
from bridge.measured_run import load_runs


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
        for entry in judged:
            line = {
                "run": entry.run.run_id,
                "predicted": entry.predicted,
                "errors": entry.errors,
                "yardstick": entry.run.yardstick,
            }
            click.echo(json.dumps(line))
        return
    _print_table(judged)


def _print_table(judged: list[Judged]) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("run")
    for heading in ("measured/s", "predicted/s", "error", "CPU", "stmgr", "latency", "full"):
        table.add_column(heading, justify="right")
    for entry in judged:
        cpu = [e for name, e in entry.errors.items() if name.startswith("container")]
        managers = [e for name, e in entry.errors.items() if name.startswith("stream")]
        latency = entry.errors.get("mean latency")
        table.add_row(
            entry.run.run_id + ("" if entry.run.yardstick else " (drifting)"),
            f"{entry.run.measured['throughput_per_s']:.0f}",
            f"{entry.predicted['throughput_per_s']:.0f}",
            f"{entry.errors['throughput']:+.1%}",
            f"{max(cpu, key=abs):+.0%}",
            f"{max(managers, key=abs):+.0%}",
            "" if latency is None else f"{latency:+.0%}",
            {None: "", True: "right", False: "WRONG"}[entry.saturated_right],
        )
    console = Console(highlight=False)
    console.print(table)
    console.print("CPU, stmgr: the worst container; full: the saturated container named rightly")
    summary = summarise(judged)
    console.print(f"\n{summary.runs} steady runs: mean absolute error, worst, bias")
    for kind, mean in summary.mean_absolute.items():
        console.print(
            f"  {kind:20} {mean:6.1%} {summary.worst[kind]:6.1%} {summary.bias[kind]:+6.1%}"
        )


@click.command()
@click.option("--runs", required=True, type=click.Path(path_type=Path), help="Folder of run files.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Cost file to write."
)
@click.option("--version", "name", required=True, help="Name of what was measured.")
@sentences
def calibrate(runs: Path, output: Path, name: str) -> None:
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
    click.echo(
        f"{output}: fitted to {len(fit.runs)} runs; CPU of instances is explained to "
        f"{fit.instance_residual.mean_absolute:.1%}, of stream managers to "
        f"{fit.manager_residual.mean_absolute:.1%}, of garbage collection to "
        f"{fit.gc_residual.mean_absolute:.1%} on average"
    )
