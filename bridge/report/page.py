"""The whole page: what is chosen, what it would do, why, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.report.curves import duration, load_curves, scenario_intervals, times
from bridge.report.dag_picture import dag_picture, per_second
from bridge.report.figures import PlanFigures, load_sweep, plan_figures
from bridge.report.markup import Markup, element, joined, label, picture, tip
from bridge.report.memory_picture import memory_section
from bridge.report.palette import STYLE, step
from bridge.report.pareto import pareto_plots, unbeaten
from bridge.report.plan_picture import plan_picture
from bridge.report.tables import table
from packing.choose import Candidate, Decision
from packing.disruption import Disruption
from packing.errors import Infeasible
from packing.model import Prediction
from packing.request import Request
from packing.resources import describe_bytes
from packing.scenario import AS_IT_IS, Outcome, Scenario, predict_scenario

if TYPE_CHECKING:
    from bridge.analysis import Analysis

MOST_IN_MATRIX = 16
MOST_STREAMS = 200
MOST_MANAGERS = 8
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
    "unbeaten": "Unbeaten: no other plan is as good in everything, which are containers, cores, "
    "RAM, load carried, mean latency, cross traffic, restarts and preferences.",
}


def page(
    analysis: Analysis,
    outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]],
    done: Callable[[str], None],
) -> str:
    """HTML that needs nothing else: no script, no font, no request."""
    decision, plan, prediction = analysis.decision, analysis.plan, analysis.prediction
    request, topology = analysis.request, analysis.request.target
    figures = plan_figures(request, plan, prediction)
    known = request.profile.knows_load(topology)
    rates_known = all(
        request.profile.knows("rate_per_s", c.name)
        for c in topology.components
        if c.kind.value == "spout"
    )
    sweep = load_sweep(request, plan, prediction, done)
    done("curves")
    title = f"{topology.name}: {decision.chosen.planner}"
    graph = dag_picture(topology, figures, rates_known)
    parts: list[Markup | None] = [
        element("h1", topology.name),
        element("p", _verdict(analysis), class_="verdict"),
        _update(request),
        _tiles(prediction, plan.instance_count, decision.chosen.disruption),
        None if not outcomes else _what_if(analysis, outcomes),
        element("h2", "Candidates"),
        _candidates(decision),
        pareto_plots(decision),
        element("h2", "Why this plan"),
        _list(decision.reasons),
        element("h2", "The plan"),
        plan_picture(plan, figures),
        _between(analysis, figures),
        memory_section(prediction.memory),
        element("h2", "Streams"),
        element("p", _flow_note(rates_known), class_="soft"),
        None if graph is None else element("div", graph, class_="wide fit"),
        _streams(analysis, figures, rates_known),
    ]
    if sweep is not None:
        parts += [element("h2", "As load rises"), load_curves(sweep)]
    parts += [
        element("h2", "Where the numbers come from"),
        None if known else element(
            "p",
            "The load is not known: rates and service times were not all stated or measured. So no "
            "claim is made about what a plan carries, and CPU that instances ask for stands in "
            "for load.",
        ),
        _basis(analysis),
        element(
            "p",
            f"heron-bridge {__version__}; costs of Heron's own code: {request.costs.version}; "
            f"objective {decision.objective}. Intervals hold 80 % of what may be, given how "
            "exactly the load, Heron's costs and the model are known.",
            class_="soft",
        ),
    ]  # fmt: skip
    found = joined(
        Markup("<!DOCTYPE html>\n"),
        element(
            "html",
            element(
                "head",
                element("meta", charset="utf-8"),
                element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                element("title", title),
                element("style", Markup(STYLE)),
            ),
            element("body", *parts),
            lang="en",
        ),
        Markup("\n"),
    )
    done("page")
    return found


def _verdict(analysis: Analysis) -> str:
    decision, prediction = analysis.decision, analysis.prediction
    name = decision.chosen.planner
    factor = prediction.sustainable_load_factor
    if factor is None:
        return (
            f"Chosen: {name}, the best of {len(decision.candidates)} plans. What it carries: "
            f"{prediction.bottleneck}."
        )
    likely = ""
    if decision.chosen.intervals is not None:
        found = decision.chosen.intervals.sustainable_load_factor
        likely = f" ({times(found.low)} to {times(found.high)})"
    enough = "" if factor >= 1 else " That is less than what is offered: spouts would be held back."
    return (
        f"Chosen: {name}. It carries {times(factor)} the offered load{likely}; what limits it is "
        f"the {prediction.bottleneck}.{enough}"
    )


def _update(request: Request) -> Markup | None:
    """What is asked of a topology that runs."""
    if request.current is None:
        return None
    changes = [f"{name} {delta:+d}" for name, delta in request.deltas.items() if delta]
    if request.container_count is not None:
        changes.append(f"{request.container_count} containers")
    return element("p", f"An update of what runs: {', '.join(changes) or 'no change'}.")


def _tiles(prediction: Prediction, instances: int, moved: Disruption | None) -> Markup:
    when = prediction.latency
    figures = [
        (str(prediction.containers), "containers"),
        (str(instances), "instances"),
        (f"{prediction.cores:.5g}", "cores"),
        (describe_bytes(prediction.ram_bytes), "RAM"),
    ]
    if prediction.sustainable_load_factor is not None:
        figures.append((times(prediction.sustainable_load_factor), "of the load offered"))
    if prediction.throughput_per_s:  # 0 where every bolt emits
        figures.append((per_second(prediction.throughput_per_s), "at the sinks"))
    if when is not None:
        figures.append((duration(when.mean_s), "mean latency"))
        figures.append((duration(when.p99_s), "99th percentile"))
    figures.append((f"{prediction.cross_fraction:.1%}", "between containers"))
    if moved is not None:
        figures.append((f"{moved.restarted_instances} of {moved.survivors}", "survivors restart"))
    return element(
        "div",
        *(element("div", element("b", v), element("span", k), class_="tile") for v, k in figures),
        class_="tiles",
    )


def _candidates(decision: Decision) -> Markup:
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
        element(
            "p",
            " ".join(EXPLANATIONS[HEADINGS[i]] for i in shown if HEADINGS[i] in EXPLANATIONS),
            class_="soft",
        ),
        _list(failures),
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
        likely = f" ({found.low:.2g} to {found.high:.2g})"
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


def _list(sentences: Sequence[str]) -> Markup | None:
    if not sentences:
        return None
    return element("ul", *(element("li", s) for s in sentences))


def _what_if(
    analysis: Analysis, outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]]
) -> Markup:
    base = predict_scenario(AS_IT_IS, analysis.request, analysis.plan)
    rows = [["as it is", *_outcome(base)]]
    failed = []
    for scenario, outcome in outcomes:
        if isinstance(outcome, Infeasible):
            failed.append(f"{scenario.title}: no prediction, {outcome}")
            continue
        rows.append([scenario.title, *_outcome(outcome)])
    headings = (
        "scenario", "containers", "instances", "cores", "carries", "80 % interval", "bottleneck",
        "at the sinks", "mean", "p99",
    )  # fmt: skip
    return joined(
        element("h2", "What if"),
        table(headings, rows, ("scenario", "bottleneck"), 0),
        _list(failed),
        element("div", scenario_intervals(base, outcomes), class_="wide"),
    )


def _outcome(outcome: Outcome) -> list[str]:
    p, spread = outcome.prediction, outcome.intervals
    factor, when = p.sustainable_load_factor, p.latency
    likely = ""
    if spread is not None:
        found = spread.sustainable_load_factor
        likely = f"{found.low:.3g} to {found.high:.3g}"
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


def _between(analysis: Analysis, figures: PlanFigures) -> Markup | None:
    """Traffic between containers: every pair where there are few, else the busiest managers."""
    plan = analysis.plan
    if figures.between is None or plan.container_count < 2:
        return None
    if plan.container_count <= MOST_IN_MATRIX:
        return joined(
            element("h3", "Streams between containers"),
            element("p", "From row to column; the lighter, the more flows.", class_="soft"),
            _matrix(analysis, figures),
        )
    if figures.manager_cores is None or not len(figures.manager_cores):
        return None
    local = figures.between.diagonal()
    out = figures.between.sum(axis=1) - local
    into = figures.between.sum(axis=0) - local
    busiest = sorted(
        range(plan.container_count),
        key=lambda i: (-float(figures.manager_cores[i]), i),  # type: ignore[index]
    )[:MOST_MANAGERS]
    rows = [
        [
            str(plan.container_ids[i]),
            f"{figures.manager_cores[i]:.1%}",
            per_second(float(local[i])),
            per_second(float(out[i])),
            per_second(float(into[i])),
        ]
        for i in busiest
    ]
    return joined(
        element("h3", "The busiest stream managers"),
        table(("container", "busy", "stays inside", "to others", "from others"), rows, ()),
    )


def _matrix(analysis: Analysis, figures: PlanFigures) -> Markup:
    """Tuples/s from row to column, darker where more flows."""
    assert figures.between is not None
    ids = analysis.plan.container_ids.tolist()
    between = figures.between
    most = float(between.max()) or 1.0
    known = analysis.request.profile.knows_load(analysis.workload.topology)
    width, height, left = 58, 26, 92
    parts: list[str] = []
    for j, this in enumerate(ids):
        parts.append(label(left + (j + 0.5) * width, 14, f"to {this}", "s soft", "middle"))
    for i, this in enumerate(ids):
        y = 22 + i * height
        parts.append(label(left - 8, y + 17, f"from {this}", "s soft", "end"))
        for j, other in enumerate(ids):
            rate = float(between[i, j])
            told = per_second(rate) if known else f"{rate / between.sum():.1%}"
            colour = step(0.97 * rate / most)
            parts.append(
                element(
                    "g",
                    tip(
                        f"{told} inside container {this}"
                        if i == j
                        else f"{told} from container {this} to {other}"
                    ),
                    element(
                        "rect", x=left + j * width, y=y, width=width - 2, height=height - 2,
                        class_=f"u{colour} cell",
                    ),
                    label(
                        left + (j + 0.5) * width - 1, y + 16, told, f"xs w{colour}", "middle"
                    ),
                )
            )  # fmt: skip
    drawn = picture(
        left + len(ids) * width, 24 + len(ids) * height, "Tuples between containers", *parts
    )
    return element("div", drawn, class_="wide")


def _flow_note(rates_known: bool) -> str:
    if rates_known:
        return "Tuples per second at the load offered; the wider a line, the more flows."
    return "Rates are not known: shares of the largest stream, every spout emitting alike."


def _streams(analysis: Analysis, figures: PlanFigures, rates_known: bool) -> Markup | None:
    topology = analysis.workload.topology
    if not topology.streams:
        return None
    most = float(figures.stream_per_s.max()) or 1.0
    order = sorted(range(len(topology.streams)), key=lambda i: (-float(figures.stream_per_s[i]), i))
    rows = []
    for i in order[:MOST_STREAMS]:
        s, rate = topology.streams[i], float(figures.stream_per_s[i])
        rows.append(
            [
                s.source,
                s.target,
                s.stream_id,
                s.grouping.value,
                per_second(rate) if rates_known else f"{rate / most:.1%}",
                f"{figures.stream_remote[i]:.1%}",
            ]
        )
    more = len(order) - len(rows)
    return joined(
        table(
            ("from", "to", "stream", "grouping", "tuples", "to other containers"),
            rows,
            ("from", "to", "stream", "grouping"),
        ),
        element("p", f"And {more} smaller streams.", class_="soft") if more else None,
    )


def _basis(analysis: Analysis) -> Markup:
    return table(
        ("quantity", "source", "what is known"),
        [[b.quantity, b.source.value, b.detail] for b in analysis.decision.basis],
        ("quantity", "source", "what is known"),
    )
