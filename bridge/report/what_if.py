"""Scenarios beside the plan as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bridge.amounts import times, times_between
from bridge.comparison import LOST, why_none
from bridge.report.curves import duration, scenario_intervals
from bridge.report.dag_picture import per_second
from bridge.report.markup import Markup, element, joined
from bridge.report.tables import sentences, table
from packing.errors import Infeasible
from packing.scenario import AS_IT_IS, Outcome, Scenario, predict_scenario

if TYPE_CHECKING:
    from bridge.analysis import Analysis


def what_if(
    analysis: Analysis, outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]]
) -> Markup:
    """A table, and what each carries with its interval."""
    base = predict_scenario(AS_IT_IS, analysis.request, analysis.plan)
    rows = [["as it is", *_outcome(base)]]
    told = []
    for scenario, outcome in outcomes:
        if isinstance(outcome, Infeasible):
            told.append(f"{scenario.title}: no prediction, {why_none(scenario, outcome)}")
            continue
        rows.append([scenario.title, *_outcome(outcome)])
        if scenario.lost_containers:
            told.append(f"{scenario.title}: {LOST}")
    headings = (
        "scenario", "containers", "instances", "cores", "carries", "80 % interval", "bottleneck",
        "at the sinks", "mean", "p99",
    )  # fmt: skip
    return joined(
        element("h2", "What if"),
        table(headings, rows, ("scenario", "bottleneck"), 0),
        sentences(told),
        element("div", scenario_intervals(base, outcomes), class_="wide"),
    )


def _outcome(outcome: Outcome) -> list[str]:
    p, spread = outcome.prediction, outcome.intervals
    factor, when = p.sustainable_load_factor, p.latency
    likely = ""
    if spread is not None:
        found = spread.sustainable_load_factor
        likely = times_between(found.low, found.high)
    return [
        str(p.containers),
        str(outcome.situation.plan.instance_count),
        f"{p.cores:.5g}",
        "" if factor is None else times(factor),
        likely,
        p.bottleneck if factor is not None else "load not known",
        "" if p.throughput_per_s is None else per_second(p.throughput_per_s),
        "" if when is None else duration(when.mean_s),
        "" if when is None else duration(when.p99_s),
    ]
