"""What an update would gain by moving more of the survivors than it has to."""

from __future__ import annotations

from bridge.amounts import times
from bridge.report.axes import Frame
from bridge.report.markup import Markup, element, number, tip
from packing.choose import Decision
from packing.planners.repacked import Repacked

HALF = 12
"""Of a diamond's width and height: larger than a candidate's point, which may lie on it."""


def weighed_moves(decision: Decision) -> tuple[str, Repacked] | None:
    """The planner that weighed moves against load, with what it found; None where none did."""
    for candidate in decision.candidates:
        if candidate.repacked is not None and candidate.repacked.curve:
            return candidate.planner, candidate.repacked
    return None


def moves_curve(frame: Frame, found: Repacked) -> list[Markup]:
    """Diamonds at the load that each number of moves carries, the one that is taken filled."""
    places = [
        (float(step.moved), step.sustainable_load_factor)
        for step in found.curve
        if step.sustainable_load_factor is not None
    ]
    parts = [frame.line(places, "l2")] if len(places) > 1 else []
    for i, (moved, carried) in enumerate(places):
        x, y = frame.at(moved, carried)
        parts.append(
            element(
                "g",
                tip(f"{moved:.0f} survivors change container: {times(carried)}"),
                element(
                    "path",
                    d=f"M{number(x)} {number(y - HALF)}l{HALF} {HALF}l-{HALF} {HALF}"
                    f"l-{HALF} -{HALF}Z",
                    class_="step taken" if i == found.taken else "step",
                ),
            )
        )
    return parts


def moves_caption(planner: str, found: Repacked) -> str:
    """Why the point that is taken was, to follow another sentence."""
    if len(found.curve) > 1:
        return (
            f" Diamonds: what {planner} found for rising numbers of moves. The filled one is what "
            f"it took: {found.reason}."
        )
    return f" Of {planner}: {found.reason}."
