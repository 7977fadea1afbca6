"""A decision on a terminal: candidates side by side, and the reasons."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bridge.amounts import times
from bridge.cli.terminal import milliseconds, plain_table, print_table
from packing.choose import LARGER, Candidate, Decision
from packing.planners.repacked import Repacked
from packing.resources import GIB

HEADINGS = ("cont.", "cores", "GiB", "carries", "cross", "bal.", "p99 ms", "moves", "ms")
LEAST_OF_ALL = ("ms", "bal.", "GiB")
"""Columns that are left out, one after the other, where there is no room for all."""
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


def print_decision(title: str, decision: Decision) -> None:
    """A table of the candidates, the chosen one marked, and the reasons below."""
    console = Console(highlight=False)
    print_candidates(title, decision.candidates, decision.chosen.planner)
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
            print_table(moves_table(candidate.planner, candidate.repacked))
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
            "" if factor is None else times(factor),
            f"{step.cross_fraction:.1%}",
        )
    return table


def _choice(decision: Decision) -> str:
    names = ", ".join(candidate.planner for candidate in decision.pareto)
    return f"unbeaten, with no other plan at least as good in every figure: {names}"


def _limits(candidates: Sequence[Candidate]) -> list[str]:
    """What limits each plan, where the load is known, plans with the same limit together."""
    found: dict[str, list[str]] = {}
    for candidate in candidates:
        prediction = candidate.prediction
        if prediction is not None and prediction.sustainable_load_factor is not None:
            found.setdefault(prediction.bottleneck, []).append(candidate.planner)
    return [f"{limit} limits {', '.join(names)}" for limit, names in found.items()]


def print_candidates(title: str, candidates: Sequence[Candidate], chosen: str) -> None:
    """Packers side by side, without the least of the columns where the terminal is narrow."""
    print_table(candidate_table(title, candidates, chosen, Console().width))


def candidate_table(title: str, candidates: Sequence[Candidate], chosen: str, width: int) -> Table:
    """Packers side by side, as far as so many columns hold them."""
    rows = [_figures(candidate) for candidate in candidates]
    names = [c.planner + (" *" if c.planner == chosen else "") for c in candidates]
    # A column in which nothing is known takes no room.
    wide = {
        heading: GAP + max(len(heading), *(len(row[i]) for row in rows))
        for i, heading in enumerate(HEADINGS)
        if any(row[i] for row in rows)
    }
    for heading in LEAST_OF_ALL:
        if max(map(len, names)) + GAP + sum(wide.values()) > width:
            wide.pop(heading, None)
    explained = {name: what for name, what in EXPLANATIONS.items() if name in wide}
    if any(c.planner.endswith(LARGER) for c in candidates):
        explained[LARGER] = "with more cores in each container"
    told = "; ".join(f"{name}: {what}" for name, what in explained.items())
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
        "" if factor is None else times(factor),
        f"{prediction.cross_fraction:.1%}",
        f"{prediction.load_max_over_mean:.2f}",
        "" if prediction.latency is None else milliseconds(prediction.latency.p99_s),
        "" if moved is None else str(moved.restarted_instances),
        took,
    )
