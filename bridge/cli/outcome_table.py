"""What a plan does under scenarios, on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from bridge.amounts import times, times_between
from bridge.cli.terminal import milliseconds, plain_table, print_table
from bridge.comparison import LOST, why_none
from packing.choose import Candidate
from packing.errors import Infeasible
from packing.model.memory import ComponentMemory
from packing.model.uncertainty import Interval
from packing.resources import describe_bytes
from packing.scenario import Outcome, Scenario
from packing.topology import Topology


def print_outcomes(title: str, outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]]) -> None:
    """A table of what a plan does under several scenarios, one a row; fits 80 columns."""
    known = any(not isinstance(o, Infeasible) and o.intervals for _, o in outcomes)
    table = plain_table(title, KNOWN if known else UNKNOWN)
    table.add_column("scenario", overflow="fold", max_width=22)
    for heading in OUTCOME_HEADINGS if known else UNKNOWN_HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for scenario, outcome in outcomes:
        row = _outcome_figures(outcome) if known else _shares(outcome)
        table.add_row(escape(scenario.title), *row)
    print_table(table)
    console = Console(highlight=False)
    for scenario, outcome in outcomes:
        console.print(f"  - {scenario.title}: {_limit(scenario, outcome)}", markup=False)
        if scenario.lost_containers and not isinstance(outcome, Infeasible):
            console.print(f"  - {scenario.title}: {LOST}", markup=False)
    told: set[str] = set()
    for scenario, outcome in outcomes:
        if isinstance(outcome, Infeasible):
            continue
        for risk in outcome.prediction.risks:
            if risk not in told:
                console.print(f"  - {scenario.title}: a risk: {risk}", markup=False)
            told.add(risk)


def print_remarks(base: Candidate, stated: Topology) -> None:
    """What to know of the plan that scenarios start from."""
    assert base.plan is not None
    others = [
        f"{c.name} {base.plan.parallelism[c.name]} instead of {c.parallelism}"
        for c in stated.components
        if base.plan.parallelism[c.name] != c.parallelism
    ]
    remarks = [f"at the parallelism of the plan: {', '.join(others)}"] if others else []
    remarks += [violation.message for violation in base.violations]
    for remark in remarks:
        Console(highlight=False).print(f"  - {remark}", markup=False)


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
    print_table(table)


KNOWN = (
    "carries: sustainable over offered load, with its 80 % interval; tuples/s: at the sinks; ms: "
    "mean latency with its interval, and the 99th percentile"
)
UNKNOWN = "cross: share of tuples between containers; balance: fullest container over the mean"
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
    carries = p.sustainable_load_factor
    if carries is None or spread is None or p.latency is None or p.throughput_per_s is None:
        return (str(p.containers), "", "", "", "")
    carried = spread.sustainable_load_factor
    return (
        str(p.containers),
        f"{times(carries)} {times_between(carried.low, carried.high, '-')}",
        f"{p.throughput_per_s:.0f}" if p.throughput_per_s >= 10 else f"{p.throughput_per_s:.3g}",
        f"{milliseconds(p.latency.mean_s)} {_milliseconds_between(spread.latency_mean_s)}",
        milliseconds(p.latency.p99_s),
    )


def _milliseconds_between(likely: Interval) -> str:
    if math.isinf(likely.low):
        return "open"
    high = "open" if math.isinf(likely.high) else milliseconds(likely.high)
    return f"{milliseconds(likely.low)}-{high}"


def _limit(scenario: Scenario, outcome: Outcome | Infeasible) -> str:
    if isinstance(outcome, Infeasible):
        return f"no prediction: {why_none(scenario, outcome)}"
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
    told = f"; spouts are held back with probability {spread.saturating_share:.2f}"
    if math.isinf(spread.latency_mean_s.high):
        told += ", and latency then has no bound"
    return told
