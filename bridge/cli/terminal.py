"""What the planning commands share: errors as sentences, and tables of candidates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from packing.choose import Candidate, Decision
from packing.errors import PackingError
from packing.resources import GIB

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

EXIT_REFUSED = 2
"""Exit code when the input is wrong or no plan exists; the sentence on stderr says which."""


def sentences(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what planning refuses into one line on stderr and exit code 2."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except PackingError as error:
            click.echo(f"heron-bridge: {' '.join(str(error).split())}", err=True)
            raise SystemExit(EXIT_REFUSED) from None

    return wrapped


def print_decision(title: str, decision: Decision) -> None:
    """A table of the candidates, the chosen one marked, and the reasons below."""
    console = Console(highlight=False)
    console.print(candidate_table(title, decision.candidates, decision.chosen.planner))
    for reason in decision.reasons:
        console.print(f"  - {reason}", markup=False)
    for basis in decision.basis:
        console.print(
            f"  - {basis.quantity} ({basis.source.value}): {basis.detail}",
            markup=False,
            style="dim",
        )
    console.print()


HEADINGS = ("cont.", "cores", "RAM GiB", "carries", "cross", "balance", "moves", "ms")
EXPLANATION = (
    "* chosen. carries: sustainable over offered load; cross: share of tuples between containers; "
    "balance: fullest container over the mean; moves: instances that restart"
)


def candidate_table(title: str, candidates: Sequence[Candidate], chosen: str) -> Table:
    """Packers side by side; fits 80 columns."""
    table = Table(
        title=escape(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=EXPLANATION,
        caption_justify="left",
    )
    table.add_column("planner", no_wrap=True)
    rows = [_figures(candidate) for candidate in candidates]
    # A column in which nothing is known takes no room.
    shown = [i for i in range(len(HEADINGS)) if any(row[i] for row in rows)]
    for i in shown:
        table.add_column(HEADINGS[i], justify="right", no_wrap=True)
    for candidate, row in zip(candidates, rows, strict=True):
        mark = " *" if candidate.planner == chosen else ""
        table.add_row(escape(f"{candidate.planner}{mark}"), *(row[i] for i in shown))
    return table


def _figures(candidate: Candidate) -> tuple[str, ...]:
    """One cell per heading; empty for what is not known."""
    prediction = candidate.prediction
    took = f"{1000 * candidate.took_s:.0f}"
    if prediction is None:
        return ("-", "", "", "", "", "", "", took)
    factor = prediction.sustainable_load_factor
    moved = candidate.disruption
    return (
        str(prediction.containers),
        f"{prediction.cores:.5g}",
        f"{prediction.ram_bytes / GIB:.5g}",
        "" if factor is None else f"{factor:.2f}x",
        f"{prediction.cross_fraction:.1%}",
        f"{prediction.load_max_over_mean:.2f}",
        "" if moved is None else str(moved.restarted_instances),
        took,
    )


def objective_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--objective NAME`."""
    return click.option(
        "--objective",
        default="",
        metavar="NAME",
        help="throughput, latency, cost, balanced (default) or traffic.",
    )(command)


def profile_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--profile FILE`."""
    return click.option(
        "--profile",
        type=click.Path(path_type=Path),
        help="A profile or workload file; its load is taken instead of the workload's own.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")(command)
