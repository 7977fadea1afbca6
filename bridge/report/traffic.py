"""What flows: streams, and what crosses between containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.report.dag_picture import per_second
from bridge.report.figures import PlanFigures
from bridge.report.markup import Markup, element, joined, label, picture, tip
from bridge.report.palette import step
from bridge.report.tables import table

if TYPE_CHECKING:
    from bridge.analysis import Analysis

MOST_IN_MATRIX = 16
MOST_STREAMS = 200
MOST_MANAGERS = 8


def between_containers(analysis: Analysis, figures: PlanFigures) -> Markup | None:
    """Traffic between containers: every pair where there are few, else the busiest managers."""
    plan = analysis.plan
    if figures.between is None or plan.container_count < 2:
        return None
    if plan.container_count <= MOST_IN_MATRIX:
        what = "at the load offered" if _load_known(analysis) else "in shares of all tuples"
        return joined(
            element("h3", "Streams between containers"),
            element(
                "p", f"From row to column, {what}; the lighter, the more flows.", class_="soft"
            ),
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


def _load_known(analysis: Analysis) -> bool:
    return analysis.request.profile.knows_load(analysis.workload.topology)


def _matrix(analysis: Analysis, figures: PlanFigures) -> Markup:
    """Tuples/s from row to column, lighter where more flows."""
    assert figures.between is not None
    ids = analysis.plan.container_ids.tolist()
    between = figures.between
    most = float(between.max()) or 1.0
    known = _load_known(analysis)
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


def flow_note(rates_known: bool) -> str:
    """What the figures of streams are."""
    if rates_known:
        return "Tuples per second at the load offered; the wider a line, the more flows."
    return "Rates are not known: shares of the largest stream, every spout emitting alike."


def streams_table(analysis: Analysis, figures: PlanFigures, rates_known: bool) -> Markup | None:
    """The largest streams; None where there are none."""
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
