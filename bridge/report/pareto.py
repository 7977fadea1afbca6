"""Candidates as points: what they cost against what they do, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bridge.amounts import times
from bridge.report.axes import HEIGHT, LEFT, WIDTH, Axis, Frame, around
from bridge.report.curves import duration, seconds_mark, times_mark
from bridge.report.markup import Markup, element, joined, label, picture, tip
from bridge.report.moves import moves_caption, moves_curve, weighed_moves
from packing.choose import Candidate, Decision
from packing.model import Prediction
from packing.pareto import pareto
from packing.planners.repacked import Step

SAME = 13.0
"""Points that are nearer than this in both directions are drawn as one."""
RADIUS, RING_GAP = 7.0, 4.0
BESIDE = RADIUS + RING_GAP + 4
"""Between the middle of a point and its label."""
ROW = 14.0
"""Height of a label."""

EXPLANATION = (
    "Numbers are those of the table. Ringed: chosen. Filled: unbeaten. Line: no other candidate is "
    "better in one of the two figures and no worse in the other."
)


@dataclass(frozen=True)
class _Cost:
    """What is drawn to the right; less is better."""

    name: str
    value: Callable[[Candidate], float | None]
    told: Callable[[float], str]


@dataclass(frozen=True)
class _Goal:
    """What is drawn upwards, and whether up is good."""

    name: str
    value: Callable[[Prediction], float | None]
    told: Callable[[float], str]
    higher_is_better: bool
    mark: Callable[[float], str]
    """The same at the axis."""


CORES = _Cost(
    "cores",
    # Figures that nobody could tell apart by measuring are the same.
    lambda c: None if c.prediction is None else float(f"{c.prediction.cores:.4g}"),
    lambda v: f"{v:.5g}",
)
MOVED = _Cost(
    "survivors that change container",
    lambda c: None if c.disruption is None else float(c.disruption.moved_instances),
    lambda v: f"{v:.0f}" if v == round(v) else "",
)
CARRIED = _Goal(
    "sustainable over offered load", lambda p: p.sustainable_load_factor, times, True, times_mark
)
LATENCY = _Goal(
    "mean latency",
    lambda p: None if p.latency is None else p.latency.mean_s,
    duration,
    False,
    seconds_mark,
)
CROSS = _Goal(
    "share of tuples between containers", lambda p: p.cross_fraction, lambda v: f"{v:.1%}", False,
    lambda v: f"{100 * v:.3g}%",
)  # fmt: skip


def pareto_plots(decision: Decision) -> Markup:
    """Cores against load carried and against latency, of updates moves against load; where load is
    not known, cross traffic."""
    known = any(
        c.prediction is not None and c.prediction.sustainable_load_factor is not None
        for c in decision.candidates
    )
    shown = [(CORES, CARRIED), (CORES, LATENCY)] if known else [(CORES, CROSS)]
    if any(c.disruption is not None for c in decision.candidates):
        shown.append((MOVED, CARRIED if known else CROSS))
    plots = [_plot(decision, cost, goal) for cost, goal in shown]
    return joined(element("div", *plots, class_="plots"), element("p", EXPLANATION, class_="soft"))


def unbeaten(decision: Decision) -> frozenset[str]:
    """Names of the candidates that no other one beats in everything."""
    return frozenset(c.planner for c in decision.pareto or pareto(decision.candidates))


def undominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of the points (cost, gain) no other beats in one without losing in the other."""
    return [
        not any(a <= cost and b >= gain and (a < cost or b > gain) for a, b in points)
        for cost, gain in points
    ]


@dataclass(frozen=True)
class _Point:
    """A candidate in a plot."""

    candidate: Candidate
    number: int
    """In the table."""
    cost: float
    value: float
    front: bool
    """Whether none of the plot is better in one of the two and no worse in the other."""


def _points(decision: Decision, cost: _Cost, goal: _Goal) -> list[_Point]:
    found = []
    for i, c in enumerate(decision.candidates, 1):
        if not c.usable or c.prediction is None:
            continue
        paid, value = cost.value(c), goal.value(c.prediction)
        if paid is not None and value is not None:
            found.append((c, i, paid, float(f"{value:.3g}")))
    sign = 1.0 if goal.higher_is_better else -1.0
    best = undominated([(paid, sign * value) for *_, paid, value in found])
    return [_Point(*point, front) for point, front in zip(found, best, strict=True)]


def _plot(decision: Decision, cost: _Cost, goal: _Goal) -> Markup | None:
    found = _points(decision, cost, goal)
    if not found:
        return None
    weighed = weighed_moves(decision) if cost is MOVED else None
    steps = () if weighed is None or goal is not CARRIED else weighed[1].curve
    frame = _frame(found, steps, cost, goal)
    parts: list[Markup] = []
    front = sorted({(p.cost, p.value) for p in found if p.front})
    if len(front) > 1:
        parts.append(frame.line(_stairs(front), "l1"))
    if weighed is not None and steps:
        parts += moves_curve(frame, weighed[1])
    groups = _groups(frame, found)
    best = unbeaten(decision)
    taken = [(x - RADIUS, y, 2 * RADIUS) for x, y, _ in groups]
    for x, y, members in groups:
        told = ", ".join(str(point.number) for point in members)
        on_line = any(point.front for point in members)
        parts.append(
            element(
                "g",
                tip(
                    *(
                        f"{point.number} {point.candidate.planner}: {cost.told(point.cost)} "
                        f"{cost.name}, {goal.told(point.value)}"
                        for point in members
                    )
                ),
                *_marks(x, y, {p.candidate.planner for p in members}, best, decision),
                label(*_free_place(x, y, 7.0 * len(told), on_line, taken), told, "b halo"),
            )
        )
    direction = "up" if goal.higher_is_better else "down"
    caption = f"Better is to the left and {direction}."
    if weighed is not None:
        caption += moves_caption(*weighed)
    return element(
        "figure",
        picture(WIDTH, HEIGHT, f"{cost.name} against {goal.name}", *frame.drawn(), *parts),
        element("figcaption", caption),
    )


def _groups(frame: Frame, found: Sequence[_Point]) -> list[tuple[float, float, list[_Point]]]:
    """Places of points, those together that would lie on each other."""
    groups: list[tuple[float, float, list[_Point]]] = []
    for point in found:
        x, y = frame.at(point.cost, point.value)
        near = next((g for g in groups if abs(g[0] - x) < SAME and abs(g[1] - y) < SAME), None)
        if near is None:
            groups.append((x, y, [point]))
        else:
            near[2].append(point)
    return groups


def _marks(
    x: float, y: float, names: set[str], best: frozenset[str], decision: Decision
) -> Iterable[Markup]:
    """A point, filled where one of its candidates is unbeaten, ringed where one is chosen."""
    yield element("circle", cx=x, cy=y, r=RADIUS, class_="p front" if names & best else "p")
    if decision.chosen.planner in names:
        # Apart from the point, so that it is seen without its colour too.
        yield element("circle", cx=x, cy=y, r=RADIUS + RING_GAP, class_="ring")


def _frame(found: Sequence[_Point], steps: Sequence[Step], cost: _Cost, goal: _Goal) -> Frame:
    """Axes that show all points and steps."""
    values = [p.value for p in found] + [s.sustainable_load_factor or 0.0 for s in steps]
    if goal is LATENCY and max(values) > 30 * max(min(values), 1e-12):
        positive = [v for v in values if v > 0]
        up = Axis(0.7 * min(positive), 1.5 * max(positive), goal.name, goal.mark, True)
    else:
        up = Axis(*around(values), goal.name, goal.mark)
    low, high = around([p.cost for p in found] + [float(s.moved) for s in steps])
    if cost is MOVED:
        # Room to the left of those that move none.
        low -= 0.08 * (high - low)
    return Frame(Axis(low, high, cost.name, cost.told), up)


def _free_place(
    x: float, y: float, width: float, on_line: bool, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where a label beside a point lies on nothing else; `taken` has left end, middle, width."""
    right, left_side = (x + BESIDE, y), (x - BESIDE - width, y)
    places = [
        # The line of the front leaves to the right.
        *((left_side, right) if on_line else (right, left_side)),
        *((x - width / 2, y + away) for away in (-20, 20, -34, 34)),
    ]
    left, middle = next(
        (
            (left, middle)
            for left, middle in places
            if left > LEFT + 5
            and left + width < WIDTH
            and not any(
                left < other + wide and other < left + width and abs(middle - row) < ROW
                for other, row, wide in taken
            )
        ),
        places[0],
    )
    taken.append((left, middle, width))
    return left, middle + 4


def _stairs(front: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Between two of the front, the first is what there is at the cost of anything less."""
    found = [front[0]]
    for cores, value in front[1:]:
        found += [(cores, found[-1][1]), (cores, value)]
    return found
