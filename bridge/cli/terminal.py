"""What the planning commands share: errors as sentences, and tables of candidates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.errors import Unreachable
from packing.choose import Candidate, Decision
from packing.errors import Infeasible, PackingError
from packing.model.memory import ComponentMemory
from packing.model.uncertainty import Interval
from packing.planners.repacked import Repacked
from packing.resources import GIB, describe_bytes
from packing.scenario import Outcome, Scenario

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

EXIT_REFUSED = 2
"""Exit code when the input is wrong or no plan exists; the sentence on stderr says which."""
EXIT_UNREACHABLE = 3
"""Exit code when a Heron Tracker gives no answer that can be used."""


def sentences(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what planning refuses into one line on stderr and exit code 2, and 3 where no answer
    that can be used comes from outside."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (PackingError, Unreachable) as error:
            click.echo(f"heron-bridge: {' '.join(str(error).split())}", err=True)
            refused = isinstance(error, PackingError)
            raise SystemExit(EXIT_REFUSED if refused else EXIT_UNREACHABLE) from None

    return wrapped


def print_decision(title: str, decision: Decision) -> None:
    """A table of the candidates, the chosen one marked, and the reasons below."""
    console = Console(highlight=False)
    console.print(candidate_table(title, decision.candidates, decision.chosen.planner))
    told = (*decision.reasons, *_moves(decision), *_limits(decision.candidates), _choice(decision))
    for reason in told:
        console.print(f"  - {reason}", markup=False)
    for basis in decision.basis:
        console.print(
            f"  - {basis.quantity} ({basis.source.value}): {basis.detail}",
            markup=False,
            style="dim",
        )
    for candidate in decision.candidates:
        if candidate.repacked is not None and len(candidate.repacked.curve) > 1:
            console.print(moves_table(candidate.planner, candidate.repacked))
    console.print()


def _moves(decision: Decision) -> list[str]:
    """Why planners move as many survivors as they do, those that were not chosen."""
    return [
        f"{candidate.planner}: {candidate.repacked.reason}"
        for candidate in decision.candidates
        if candidate.repacked is not None and candidate.repacked.reason not in decision.reasons
    ]


def moves_table(planner: str, found: Repacked) -> Table:
    """What an update would gain by moving more, a row for each number of moves."""
    table = plain_table(
        f"load against moves: {planner}",
        "* taken. moved: survivors that change container; carries: sustainable over offered load; "
        "cross: share of tuples between containers",
    )
    for heading in ("moved", "of survivors", "carries", "cross"):
        table.add_column(heading, justify="right", no_wrap=True)
    for i, step in enumerate(found.curve):
        factor = step.sustainable_load_factor
        table.add_row(
            f"{step.moved}{' *' if i == found.taken else '  '}",
            f"{step.moved_share:.0%}",
            "" if factor is None else f"{factor:.2f}x",
            f"{step.cross_fraction:.1%}",
        )
    return table


def _choice(decision: Decision) -> str:
    names = ", ".join(candidate.planner for candidate in decision.pareto)
    return f"no other plan beats these in everything: {names}"


def _limits(candidates: Sequence[Candidate]) -> list[str]:
    """What limits each plan, where the load is known, plans with the same limit together."""
    found: dict[str, list[str]] = {}
    for candidate in candidates:
        prediction = candidate.prediction
        if prediction is not None and prediction.sustainable_load_factor is not None:
            found.setdefault(prediction.bottleneck, []).append(candidate.planner)
    return [f"{limit} limits {', '.join(names)}" for limit, names in found.items()]


HEADINGS = ("cont.", "cores", "GiB", "carries", "cross", "bal.", "p99 ms", "moves", "ms")
LEAST_OF_ALL = ("ms", "bal.", "GiB")
"""Columns that are left out, one after the other, where there is no room for all."""
WIDTH = 80
GAP = 2
"""Behind each column."""
EXPLANATIONS = {
    "GiB": "of RAM",
    "carries": "sustainable over offered load",
    "cross": "share of tuples between containers",
    "bal.": "fullest container over the mean",
    "p99 ms": "latency",
    "moves": "instances that restart",
    "ms": "time it took to plan",
}


def plain_table(title: str = "", caption: str = "", gap: int = 1) -> Table:
    """A table without columns yet, with a line below the headings alone and `gap` spaces between
    columns."""
    return Table(
        title=escape(title) or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        caption=caption or None,
        caption_justify="left",
    )


def candidate_table(title: str, candidates: Sequence[Candidate], chosen: str) -> Table:
    """Packers side by side; fits 80 columns."""
    rows = [_figures(candidate) for candidate in candidates]
    names = [c.planner + (" *" if c.planner == chosen else "") for c in candidates]
    # A column in which nothing is known takes no room.
    wide = {
        heading: GAP + max(len(heading), *(len(row[i]) for row in rows))
        for i, heading in enumerate(HEADINGS)
        if any(row[i] for row in rows)
    }
    for heading in LEAST_OF_ALL:
        if max(map(len, names)) + GAP + sum(wide.values()) > WIDTH:
            wide.pop(heading, None)
    told = "; ".join(f"{name}: {what}" for name, what in EXPLANATIONS.items() if name in wide)
    table = plain_table(title, f"* chosen. {told}")
    table.add_column("planner", no_wrap=True)
    for heading in wide:
        table.add_column(heading, justify="right", no_wrap=True)
    shown = [HEADINGS.index(heading) for heading in wide]
    for name, row in zip(names, rows, strict=True):
        table.add_row(escape(name), *(row[i] for i in shown))
    return table


def _figures(candidate: Candidate) -> tuple[str, ...]:
    """One cell per heading; empty for what is not known."""
    prediction = candidate.prediction
    took = f"{1000 * candidate.took_s:.0f}"
    if prediction is None:
        return ("-", "", "", "", "", "", "", "", took)
    factor = prediction.sustainable_load_factor
    moved = candidate.disruption
    return (
        str(prediction.containers),
        f"{prediction.cores:.5g}",
        f"{prediction.ram_bytes / GIB:.4g}",
        "" if factor is None else f"{factor:.2f}x",
        f"{prediction.cross_fraction:.1%}",
        f"{prediction.load_max_over_mean:.2f}",
        "" if prediction.latency is None else _milliseconds(prediction.latency.p99_s),
        "" if moved is None else str(moved.restarted_instances),
        took,
    )


def print_outcomes(title: str, outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]]) -> None:
    """A table of what a plan does under several scenarios, one a row; fits 80 columns."""
    table = plain_table(
        title,
        "carries: sustainable over offered load, with its 80 % interval; tuples/s: at the "
        "sinks; ms: mean latency with its interval, and the 99th percentile",
    )
    known = any(not isinstance(o, Infeasible) and o.intervals for _, o in outcomes)
    table.add_column("scenario", overflow="fold", max_width=22)
    for heading in OUTCOME_HEADINGS if known else UNKNOWN_HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for scenario, outcome in outcomes:
        row = _outcome_figures(outcome) if known else _shares(outcome)
        table.add_row(escape(scenario.title), *row)
    console = Console(highlight=False)
    console.print(table)
    for scenario, outcome in outcomes:
        console.print(f"  - {scenario.title}: {_limit(outcome)}", markup=False)
    told: set[str] = set()
    for scenario, outcome in outcomes:
        if isinstance(outcome, Infeasible):
            continue
        for risk in outcome.prediction.risks:
            if risk not in told:
                console.print(f"  - {scenario.title}: a risk: {risk}", markup=False)
            told.add(risk)


def print_memory(components: Sequence[ComponentMemory]) -> None:
    """A table of what instances use of their RAM, a component a row; fits 80 columns."""
    table = plain_table(
        caption="of one instance. RAM: what it gets; heap: what of it is for data; live: what the "
        "heap holds all the time; GC: share of the time in garbage collection",
    )
    table.add_column("component", overflow="fold", max_width=30)
    for heading in ("uses", "RAM", "heap", "live", "GC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for of in components:
        amounts = (of.used_bytes, of.granted_bytes, of.heap_bytes)
        live = "" if of.heap_bytes <= 0 else f"{of.live_share:.0%}"
        gc = "" if of.gc_share is None else f"{of.gc_share:.1%}"
        table.add_row(escape(of.component), *(describe_bytes(a) for a in amounts), live, gc)
    Console(highlight=False).print(table)


OUTCOME_HEADINGS = ("cont.", "carries", "tuples/s", "mean ms", "p99")
UNKNOWN_HEADINGS = ("cont.", "cores", "cross", "balance")


def _shares(outcome: Outcome | Infeasible) -> tuple[str, ...]:
    if isinstance(outcome, Infeasible):
        return ("-", "", "", "")
    p = outcome.prediction
    return (
        str(p.containers),
        f"{p.cores:.5g}",
        f"{p.cross_fraction:.1%}",
        f"{p.load_max_over_mean:.2f}",
    )


def _outcome_figures(outcome: Outcome | Infeasible) -> tuple[str, ...]:
    if isinstance(outcome, Infeasible):
        return ("-", "", "", "", "")
    p, spread = outcome.prediction, outcome.intervals
    if spread is None or p.latency is None or p.throughput_per_s is None:
        return (str(p.containers), "", "", "", "")
    carried = spread.sustainable_load_factor
    return (
        str(p.containers),
        f"{p.sustainable_load_factor:.2f}x {carried.low:.2f}-{carried.high:.2f}",
        f"{p.throughput_per_s:.0f}",
        f"{_milliseconds(p.latency.mean_s)} {_milliseconds_between(spread.latency_mean_s)}",
        _milliseconds(p.latency.p99_s),
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f}" if seconds >= 0.01 else f"{1000 * seconds:.2g}"


def _milliseconds_between(likely: Interval) -> str:
    if math.isinf(likely.low):
        return "open"
    high = "open" if math.isinf(likely.high) else _milliseconds(likely.high)
    return f"{_milliseconds(likely.low)}-{high}"


def _limit(outcome: Outcome | Infeasible) -> str:
    if isinstance(outcome, Infeasible):
        return f"no prediction: {outcome}"
    p = outcome.prediction
    if p.sustainable_load_factor is None:
        return f"limit: {p.bottleneck}"
    after = f", then {p.runner_up}" if p.runner_up else ""
    return f"limit: {p.bottleneck}{after}{_saturating(outcome)}"


def _saturating(outcome: Outcome) -> str:
    """How likely it is that spouts are held back, where some of the draws say so."""
    spread = outcome.intervals
    if spread is None or not 0.0 < spread.saturating_share < 1.0:
        return ""
    told = f"; saturates in {spread.saturating_share:.0%} of what may be"
    if math.isinf(spread.latency_mean_s.high):
        told += ", where latency has no bound"
    return told


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
