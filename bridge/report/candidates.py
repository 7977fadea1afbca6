"""The candidates as a table."""

from __future__ import annotations

from bridge.amounts import times, times_between
from bridge.report.curves import duration
from bridge.report.markup import Markup, element, joined
from bridge.report.pareto import unbeaten
from bridge.report.tables import sentences, table
from packing.choose import LARGER, Candidate, Decision
from packing.model import Prediction
from packing.resources import describe_bytes

HEADINGS = (
    "containers", "cores", "RAM", "carries", "bottleneck", "mean", "p99", "cross", "balance",
    "restarts", "unbeaten",
)  # fmt: skip
TEXT_HEADINGS = frozenset({"bottleneck"})
EXPLANATIONS = {
    "carries": "Carries: sustainable over offered load, with its 80 % interval where it was "
    "computed.",
    "mean": "Mean, p99: latency.",
    "cross": "Cross: share of tuples between containers.",
    "balance": "Balance: load of the fullest container over the mean.",
    "restarts": "Restarts: running instances that would restart, in another container or under "
    "another task id.",
    "unbeaten": "Unbeaten: no other plan is at least as good in every figure, which are "
    "containers, cores, RAM, load carried, mean latency, cross traffic, restarts and preferences.",
}


def candidates_table(decision: Decision) -> Markup:
    """A row for each, the chosen one marked; what columns mean, and why some have no plan."""
    best, chosen = unbeaten(decision), decision.chosen.planner
    rows = [
        [*_figures(c.prediction, c), "yes" if c.planner in best else ""]
        for c in decision.candidates
    ]
    shown = [i for i in range(len(HEADINGS)) if any(row[i] for row in rows)]
    names = [c.planner for c in decision.candidates]
    failures = [
        f"{c.planner} has no usable plan: {c.failure}" for c in decision.candidates if not c.usable
    ]
    told = [EXPLANATIONS[HEADINGS[i]] for i in shown if HEADINGS[i] in EXPLANATIONS]
    if any(name.endswith(LARGER) for name in names):
        told.append(f"{LARGER}: with more cores in each container.")
    return joined(
        table(
            ["", "planner", *(HEADINGS[i] for i in shown)],
            [
                [str(n), f"{name}{' (chosen)' if name == chosen else ''}", *(row[i] for i in shown)]
                for n, (name, row) in enumerate(zip(names, rows, strict=True), 1)
            ],
            ("planner", *TEXT_HEADINGS),
            names.index(chosen),
        ),
        element("p", " ".join(told), class_="soft"),
        sentences(failures),
    )


def _figures(prediction: Prediction | None, candidate: Candidate) -> list[str]:
    """All columns but the last."""
    if prediction is None:
        return [""] * (len(HEADINGS) - 1)
    when, factor, moved = (
        prediction.latency,
        prediction.sustainable_load_factor,
        candidate.disruption,
    )
    likely = ""
    if candidate.intervals is not None:
        found = candidate.intervals.sustainable_load_factor
        likely = f" ({times_between(found.low, found.high)})"
    return [
        str(prediction.containers),
        f"{prediction.cores:.5g}",
        describe_bytes(prediction.ram_bytes),
        "" if factor is None else f"{times(factor)}{likely}",
        "" if factor is None else prediction.bottleneck,
        "" if when is None else duration(when.mean_s),
        "" if when is None else duration(when.p99_s),
        f"{prediction.cross_fraction:.1%}",
        f"{prediction.load_max_over_mean:.2f}",
        "" if moved is None else str(moved.restarted_instances),
    ]
