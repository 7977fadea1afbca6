"""Candidates as points: what they cost against what they do, and which of them nothing beats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.report.axes import HEIGHT, WIDTH, Axis, Frame, around
from bridge.report.curves import duration, times
from bridge.report.markup import Markup, element, label, picture, tip
from packing.choose import Candidate, Decision
from packing.model import Prediction

SAME = 13.0
RADIUS = 8.0
ROW = 14.0
"""Height of a label."""
"""Points that are nearer than this in both directions are drawn as one."""


@dataclass(frozen=True)
class _Goal:
    """What is drawn upwards, and whether up is good."""

    name: str
    value: Callable[[Prediction], float | None]
    told: Callable[[float], str]
    higher_is_better: bool


CARRIED = _Goal("sustainable over offered load", lambda p: p.sustainable_load_factor, times, True)
LATENCY = _Goal(
    "mean latency", lambda p: None if p.latency is None else p.latency.mean_s, duration, False
)
CROSS = _Goal("tuples between containers", lambda p: p.cross_fraction, lambda v: f"{v:.3g}", False)


def pareto_plots(decision: Decision) -> Markup:
    """Cores against load carried and against latency; where load is not known, cross traffic."""
    usable = [c for c in decision.candidates if c.usable and c.prediction is not None]
    known = any(c.prediction and c.prediction.sustainable_load_factor is not None for c in usable)
    goals = (CARRIED, LATENCY) if known else (CROSS,)
    plots = [
        drawn
        for goal in goals
        if (drawn := _plot(usable, decision, goal, _numbers(decision))) is not None
    ]
    return element("div", *plots, class_="plots")


def _numbers(decision: Decision) -> dict[str, int]:
    """Number of each candidate in the table."""
    return {c.planner: i for i, c in enumerate(decision.candidates, 1)}


def undominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of the points (cost, gain) no other beats in one without losing in the other."""
    return [
        not any(a <= cost and b >= gain and (a < cost or b > gain) for a, b in points)
        for cost, gain in points
    ]


def _plot(
    usable: Sequence[Candidate], decision: Decision, goal: _Goal, numbers: dict[str, int]
) -> Markup | None:
    # Figures that nobody could tell apart by measuring are the same.
    found = [
        (c, float(f"{c.prediction.cores:.4g}"), float(f"{value:.3g}"))
        for c in usable
        if c.prediction is not None and (value := goal.value(c.prediction)) is not None
    ]
    if not found:
        return None
    sign = 1.0 if goal.higher_is_better else -1.0
    best = undominated([(cores, sign * value) for _, cores, value in found])
    far = max(v for *_, v in found) > 30 * max(min(v for *_, v in found), 1e-12)
    low, high = around(v for *_, v in found)
    if far and goal is LATENCY:
        values = [v for *_, v in found if v > 0]
        axis = Axis(0.7 * min(values), 1.5 * max(values), goal.name, goal.told, True)
    else:
        axis = Axis(low, high, goal.name, goal.told)
    frame = Frame(Axis(*around(c for _, c, _ in found), "cores", lambda v: f"{v:.4g}"), axis)
    groups: list[tuple[float, float, list[int]]] = []
    for i, (_, cores, value) in enumerate(found):
        x, y = frame.at(cores, value)
        near = next((g for g in groups if abs(g[0] - x) < SAME and abs(g[1] - y) < SAME), None)
        if near is None:
            groups.append((x, y, [i]))
        else:
            near[2].append(i)
    parts: list[str] = []
    front = sorted({(cores, value) for (_, cores, value), b in zip(found, best, strict=True) if b})
    if len(front) > 1:
        parts.append(frame.line(_stairs(front), "l1"))
    taken = [(x - RADIUS, y, 2 * RADIUS) for x, y, _ in groups]
    for x, y, members in groups:
        names = [found[i][0].planner for i in members]
        told = ", ".join(str(numbers[name]) for name in names)
        classes = ["p"]
        if any(best[i] for i in members):
            classes.append("front")
        if decision.chosen.planner in names:
            classes.append("best")
        parts.append(
            element(
                "g",
                tip(
                    *(
                        f"{numbers[found[i][0].planner]} {found[i][0].planner}: "
                        f"{found[i][1]:.5g} cores, {goal.told(found[i][2])}"
                        for i in members
                    )
                ),
                element("circle", cx=x, cy=y, r=RADIUS, class_=" ".join(classes)),
                label(
                    *_free_place(x, y, 7.0 * len(told), "front" in classes, taken), told, "b halo"
                ),
            )
        )
    direction = "up" if goal.higher_is_better else "down"
    return element(
        "figure",
        picture(WIDTH, HEIGHT, f"Cores against {goal.name}", *frame.drawn(), *parts),
        element(
            "figcaption",
            f"Better is to the left and {direction}. Numbers are those of the table. Filled: no "
            "other candidate is better in one and no worse in the other. Ringed: chosen.",
        ),
    )


def _free_place(
    x: float, y: float, width: float, on_line: bool, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Where a label beside a point lies on nothing else; `taken` has left end, middle, width."""
    right, left_side = (x + 12, y), (x - 12 - width, y)
    places = [
        # The line of the front leaves to the right.
        *((left_side, right) if on_line else (right, left_side)),
        *((x - width / 2, y + away) for away in (-17, 17, -32, 32)),
    ]
    left, middle = next(
        (
            (left, middle)
            for left, middle in places
            if left > 0
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
