"""The plan as a picture: containers as boxes, instances inside, coloured by how busy they are."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.amounts import ranges
from bridge.report.figures import PlanFigures
from bridge.report.markup import Markup, element, joined, label, number, picture, shortened, tip
from bridge.report.palette import CIVIDIS, FULL, step
from bridge.report.tables import table
from packing.plan import Plan
from packing.resources import counted

MOST_IN_DETAIL = 160
"""Instances in boxes that are drawn; beyond that a square with a code stands for one."""
MOST_BOXES = 600
"""Boxes that are drawn; the rest is told in a sentence."""
MOST_IN_TABLE = 60
CELL_WIDTH, CELL_HEIGHT, GAP = 92, 30, 3
SQUARE = 17
LIMITS = "!"
"""Behind the letter of the instance that limits the plan."""


@dataclass(frozen=True)
class Box:
    """Containers that hold the same and are about equally busy, drawn as one."""

    positions: tuple[int, ...]
    """In the plan's order; the first one stands for all."""
    members: tuple[int, ...]
    """Instances of the first one, by component and index."""

    def ids(self, plan: Plan) -> str:
        """Ids of the containers, runs of them as `3-7`."""
        return ranges(plan.container_ids[list(self.positions)].tolist())


def boxes(plan: Plan, figures: PlanFigures) -> list[Box]:
    """Alike containers together, the one that limits the plan first, then by the lowest id.

    Alike: the same number of instances of each component, the same size, and every figure that is
    shown in the same step of the colours.
    """
    inside: list[list[int]] = [[] for _ in range(plan.container_count)]
    for i, at in enumerate(plan.container.tolist()):
        inside[at].append(i)
    component, index = plan.component.tolist(), plan.index.tolist()
    busy = None if figures.instance_utilisation is None else figures.instance_utilisation.tolist()
    use = [_share(figures, at) for at in range(plan.container_count)]
    groups: dict[object, list[int]] = {}
    for at, members in enumerate(inside):
        members.sort(key=lambda i: (component[i], index[i]))
        shown = sorted((component[i], step(busy[i]) if busy else 0) for i in members)
        key = (
            at == figures.hot_container,
            tuple(shown),
            float(figures.container_cores[at]),
            step(use[at]),
        )
        groups.setdefault(key, []).append(at)
    found = [Box(tuple(at), tuple(inside[at[0]])) for at in groups.values()]
    return sorted(found, key=lambda b: (figures.hot_container not in b.positions, b.positions))


def _share(figures: PlanFigures, at: int) -> float:
    cores = float(figures.container_cores[at])
    used = float(figures.container_use[at])
    return used / cores if cores > 0 else (math.inf if used > 0 else 0.0)


def codes(names: Sequence[str]) -> list[str]:
    """One or two letters for each component."""
    letters = string.ascii_lowercase
    if len(names) <= len(letters):
        return list(letters[: len(names)])
    return [
        letters[i // len(letters) % len(letters)] + letters[i % len(letters)]
        for i in range(len(names))
    ]


def plan_picture(plan: Plan, figures: PlanFigures) -> Markup:
    """All containers, a legend, and, where squares stand for instances, what they hold."""
    found = boxes(plan, figures)
    drawn = found[:MOST_BOXES]
    known = figures.instance_utilisation is not None
    in_detail = sum(len(box.members) for box in found) <= MOST_IN_DETAIL
    several = sum(len(box.positions) > 1 for box in found)
    told = (
        f"{counted(plan.container_count, 'container')} with "
        f"{counted(plan.instance_count, 'instance')}"
    )
    if several:
        told += f"; alike containers are drawn once, which leaves {len(found)} boxes"
    if len(found) > len(drawn):
        told += f", of which the first {len(drawn)} are drawn"
    if known:
        colour = (
            "Colour: share of the time that an instance's busier thread, executing or gateway, is "
            "busy at the load delivered. A thick outline: what limits the plan."
        )
    else:
        colour = "How busy instances are is not known without a load."
    in_use = "in use" if known else "that instances ask for"
    where = "In the header of a box" if in_detail else "As a bar in each box"
    colour += f" {where}: the cores {in_use}, of those that the container has."
    if in_detail:
        shown = [_detailed(plan, figures, box) for box in drawn]
        key = None
    else:
        letters = codes(plan.components)
        shown = [_compact(plan, figures, box, letters) for box in drawn]
        pairs = zip(letters, plan.components, strict=True)
        names = f"Letters: {'; '.join(f'{code} = {name}' for code, name in pairs)}."
        if several:
            names += " Over a box, 9 × 3… stands for nine containers of which 3 is the first."
        if figures.hot_instance is not None:
            names += f" {LIMITS} is the instance that limits the plan."
        key = element("p", names, class_="soft")
    return joined(
        element("p", f"{told}. {colour}"),
        _legend() if known else None,
        key,
        element("div", *shown, class_="boxes"),
        None if in_detail else _contents(plan, figures, found),
    )


def _legend() -> Markup:
    width, height = 34, 16
    parts: list[str] = []
    for i in range(len(CIVIDIS)):
        parts.append(
            element("rect", x=i * width, y=0, width=width, height=height, class_=f"u{i} cell")
        )
        told = "full" if i == len(CIVIDIS) - 1 else f"{10 * i}%"
        parts.append(label((i + 0.5) * width, 12, told, f"xs w{i}", "middle"))
    return picture(width * len(CIVIDIS), height, "Colours from idle to full", *parts)


def _cell(figures: PlanFigures, at: int) -> tuple[str, str, str]:
    """Class of the shape, class of its text, utilisation as text."""
    hot = " hot" if at == figures.hot_instance else ""
    if figures.instance_utilisation is None:
        return f"cell n0{hot}", "", ""
    busy = float(figures.instance_utilisation[at])
    told = "full" if busy >= FULL else f"{busy:.0%}"
    return f"cell u{step(busy)}{hot}", f"w{step(busy)}", told


def _header(plan: Plan, figures: PlanFigures, box: Box) -> tuple[str, str]:
    """Name and use of a box."""
    first = box.positions[0]
    this = int(plan.container_ids[first])
    name = f"container {this}" if len(box.positions) == 1 else f"{len(box.positions)} × like {this}"
    return name, f"{figures.container_use[first]:.2g}/{figures.container_cores[first]:.3g}"


def _tip(plan: Plan, figures: PlanFigures, box: Box) -> Markup:
    first = box.positions[0]
    lines = [
        f"{'containers' if len(box.positions) > 1 else 'container'} {box.ids(plan)}",
        f"{len(box.members)} instances each",
        f"{figures.container_use[first]:.3g} of {figures.container_cores[first]:.4g} cores",
    ]
    if figures.manager_cores is not None and len(figures.manager_cores):
        lines.append(f"stream manager {figures.manager_cores[first]:.1%} busy")
    return tip(*lines)


def _instance_tip(plan: Plan, at: int, told: str) -> Markup:
    name = plan.components[plan.component[at]]
    busy = f": {told} busy" if told and told != "full" else ": full" if told else ""
    return tip(f"{name} {plan.index[at]}, task {plan.task_id[at]}{busy}")


def _detailed(plan: Plan, figures: PlanFigures, box: Box) -> Markup:
    """A box with a labelled cell for each instance."""
    columns = 1 if len(box.members) == 1 else min(2 if len(box.members) <= 8 else 4, 4)
    rows = math.ceil(len(box.members) / columns)
    name, use = _header(plan, figures, box)
    width = max(7 * len(name) + 6 * len(use) + 24, columns * (CELL_WIDTH + GAP) + 3 * GAP)
    height = 44 + rows * (CELL_HEIGHT + GAP) + GAP
    parts: list[str] = [
        *_frame(plan, figures, box, (width, height), 5),
        label(8, 17, name, "b"),
        label(width - 8, 17, use, "soft s", "end"),
        *_use_bar(figures, box, (8, 24, width - 16, 6)),
    ]
    for at, i in enumerate(box.members):
        x = 2 * GAP + at % columns * (CELL_WIDTH + GAP)
        y = 38 + at // columns * (CELL_HEIGHT + GAP)
        shape, ink, told = _cell(figures, i)
        component = plan.components[plan.component[i]]
        shown = f"{told}, limits" if i == figures.hot_instance else told
        parts.append(
            element(
                "g",
                _instance_tip(plan, i, told),
                element("rect", x=x, y=y, width=CELL_WIDTH, height=CELL_HEIGHT, rx=3, class_=shape),
                label(x + 6, y + 13, shortened(f"{component} {plan.index[i]}", 14), f"s {ink}"),
                label(x + 6, y + 25, shown, f"s {ink}") if shown else None,
            )
        )
    return picture(width, height, f"{name}: {use} cores", *parts)


def _frame(
    plan: Plan, figures: PlanFigures, box: Box, size: tuple[float, float], round_by: float
) -> Iterable[Markup]:
    """The outline of a box, thick where it is the one that limits, and what it tells."""
    yield _tip(plan, figures, box)
    hot = figures.hot_container in box.positions
    yield element(
        "rect", x=1.5, y=1.5, width=size[0] - 3, height=size[1] - 3, rx=round_by,
        class_="frame hot" if hot else "frame",
    )  # fmt: skip


def _use_bar(
    figures: PlanFigures, box: Box, place: tuple[float, float, float, float]
) -> Iterable[Markup]:
    """How much of its cores a box uses; `place` is left, top, width and height."""
    x, y, width, height = place
    share = min(1.0, _share(figures, box.positions[0]))
    yield element("rect", x=x, y=y, width=width, height=height, class_="bar")
    yield element(
        "rect", x=x, y=y, width=share * width, height=height, class_=f"u{step(share)} cell"
    )


def _compact(plan: Plan, figures: PlanFigures, box: Box, letters: Sequence[str]) -> Markup:
    """A box with a coloured square for each instance."""
    count = len(box.members)
    columns = max(3, math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    first = int(plan.container_ids[box.positions[0]])
    name = f"{first}" if len(box.positions) == 1 else f"{len(box.positions)} × {first}…"
    width = max(columns * (SQUARE + 1) + 7, round(6.4 * len(name)) + 12)
    height = rows * (SQUARE + 1) + 26
    parts: list[str] = [
        *_frame(plan, figures, box, (width, height), 3),
        label(5, 12, name, "xs b"),
        *_use_bar(figures, box, (4, 16, width - 8, 4)),
    ]
    for at, i in enumerate(box.members):
        x = 4 + at % columns * (SQUARE + 1)
        y = 23 + at // columns * (SQUARE + 1)
        shape, ink, told = _cell(figures, i)
        mark = LIMITS if i == figures.hot_instance else ""
        # Written out: these are most of the page.
        parts.append(
            Markup(
                f'<rect x="{x}" y="{y}" width="{SQUARE}" height="{SQUARE}" class="{shape}">'
                f"{_instance_tip(plan, i, told)}</rect>"
                f'<text x="{number(x + SQUARE / 2)}" y="{y + 12}" class="xs {ink}" '
                f'text-anchor="middle">{letters[plan.component[i]]}{mark}</text>'
            )
        )
    return picture(width, height, f"container {name}, {count} instances", *parts)


def _contents(plan: Plan, figures: PlanFigures, found: Sequence[Box]) -> Markup:
    """What boxes hold, as a table: the largest groups first."""
    largest = sorted(found, key=lambda b: (-len(b.positions), b.positions))[:MOST_IN_TABLE]
    counts = plan.counts
    rows = []
    for box in largest:
        first = box.positions[0]
        held = ", ".join(
            f"{n} {name}" if n > 1 else name
            for name, n in zip(plan.components, counts[:, first].tolist(), strict=True)
            if n
        )
        rows.append(
            [
                str(len(box.positions)),
                held,
                f"{figures.container_use[first]:.3g} of {figures.container_cores[first]:.4g}",
                shortened(box.ids(plan), 120),
            ]
        )
    more = len(found) - len(largest)
    return joined(
        element("h3", "What they hold"),
        table(
            ("containers", "instances in each", "cores in use", "ids"),
            rows,
            ("instances in each", "ids"),
        ),
        element("p", f"And {more} more groups of containers.", class_="soft") if more else None,
    )
