"""The whole page: what is chosen, what it would do, why, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bridge import __version__
from bridge.amounts import times, times_between
from bridge.report.candidates import candidates_table
from bridge.report.curves import duration, load_curves
from bridge.report.dag_picture import dag_picture, per_second
from bridge.report.figures import load_sweep, plan_figures
from bridge.report.markup import Markup, element, joined
from bridge.report.memory_picture import memory_section
from bridge.report.palette import STYLE
from bridge.report.pareto import pareto_plots
from bridge.report.plan_picture import plan_picture
from bridge.report.tables import sentences, table
from bridge.report.traffic import between_containers, flow_note, streams_table
from bridge.report.what_if import what_if
from packing.disruption import Disruption
from packing.errors import Infeasible
from packing.model import Prediction
from packing.request import Request
from packing.resources import counted, describe_bytes
from packing.scenario import Outcome, Scenario

if TYPE_CHECKING:
    from bridge.analysis import Analysis


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
        None if not outcomes else what_if(analysis, outcomes),
        element("h2", "Candidates"),
        candidates_table(decision),
        pareto_plots(decision),
        element("h2", "Why this plan"),
        sentences(decision.reasons),
        element("h2", "The plan"),
        plan_picture(plan, figures),
        between_containers(analysis, figures),
        memory_section(prediction.memory),
        element("h2", "Streams"),
        element("p", flow_note(rates_known), class_="soft"),
        None if graph is None else element("div", graph, class_="wide fit"),
        streams_table(analysis, figures, rates_known),
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
            f"Chosen: {name}, the best of {len(decision.candidates)} plans. What it carries is "
            f"{prediction.bottleneck}."
        )
    likely = ""
    if decision.chosen.intervals is not None:
        found = decision.chosen.intervals.sustainable_load_factor
        likely = f" ({times_between(found.low, found.high)})"
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
        changes.append(counted(request.container_count, "container"))
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
        figures.append((times(prediction.sustainable_load_factor), "of the offered load carried"))
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


def _basis(analysis: Analysis) -> Markup:
    return table(
        ("quantity", "source", "what is known"),
        [[b.quantity, b.source.value, b.detail] for b in analysis.decision.basis],
        ("quantity", "source", "what is known"),
    )
