"""The topology as a graph: components from left to right, streams with their rates.

Layers by the longest way from a spout, components within a layer ordered by the mean position of
their neighbours (Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system
structures", IEEE Trans. SMC 11(2), 1981), streams that pass a layer led through it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from bridge.report.figures import PlanFigures
from bridge.report.markup import Markup, element, label, picture, shortened, tip
from packing.topology import Topology

MOST_COMPONENTS = 150
"""A graph of more is a tangle; the table of streams says the same."""
NODE_WIDTH, NODE_HEIGHT, PASSAGE_HEIGHT = 136, 54, 20
ROW_GAP, MARGIN = 26, 10
LAYER_GAP, WIDE_LAYER_GAP = 110, 70
"""Room for the labels of streams; less where there are many layers."""
SWEEPS = 6
LABEL_HEIGHT = 24.0
LEAST_WIDTH = 0.6
"""Of its natural width, to which the graph may shrink; narrower, it scrolls."""
THICKEST = 14.0

Place = tuple[int, int]
"""A component as (position, -1), a stream that passes a layer as (-1 - stream, layer)."""


def per_second(rate: float) -> str:
    """`1.2k/s`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g}{unit}/s"
    return f"{rate:.3g}/s"


def dag_picture(topology: Topology, figures: PlanFigures, known_rates: bool) -> Markup | None:
    """The graph; None when it has too many components to be read."""
    if len(topology.components) > MOST_COMPONENTS:
        return None
    edges = [(topology.position[s.source], topology.position[s.target]) for s in topology.streams]
    layer, backwards = layers(len(topology.components), edges)
    grid, ways = _arranged(layer, edges, backwards)
    gap = LAYER_GAP if len(grid) <= 6 else WIDE_LAYER_GAP
    heights = [sum(_height(p) + ROW_GAP for p in column) - ROW_GAP for column in grid]
    height = max(heights) + 2 * MARGIN + (24 if any(backwards) else 0)
    width = len(grid) * (NODE_WIDTH + gap) - gap + 2 * MARGIN
    at: dict[Place, tuple[float, float]] = {}
    for i, column in enumerate(grid):
        y = MARGIN + (max(heights) - heights[i]) / 2
        for place in column:
            at[place] = (MARGIN + i * (NODE_WIDTH + gap), y + _height(place) / 2)
            y += _height(place) + ROW_GAP
    leave, arrive = _ports(at, ways, edges)
    shared = [
        sum(a == source for a, _ in edges) > sum(b == target for _, b in edges)
        for source, target in edges
    ]
    most = float(figures.stream_per_s.max(initial=0.0)) or 1.0
    flows: list[str] = []
    labels: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for i, (source, target) in enumerate(edges):
        stream = topology.streams[i]
        rate = float(figures.stream_per_s[i])
        told = per_second(rate) if known_rates else f"{rate / most:.0%}"
        start = (at[source, -1][0] + NODE_WIDTH, leave[i])
        goal = (at[target, -1][0], arrive[i])
        if backwards[i]:
            path, spots = _back(start, goal, height - 12)
        else:
            path, spots = _path(start, [at[p] for p in ways[i]], goal, shared[i])
        flows.append(
            element(
                "path",
                tip(
                    f"{stream.source} to {stream.target}, stream {stream.stream_id}",
                    f"{stream.grouping.value} grouping, {told}",
                    f"{figures.stream_remote[i]:.0%} to other containers",
                ),
                d=path,
                class_="flow back" if backwards[i] else "flow",
                stroke_width=max(1.2, THICKEST * rate / most),
            )
        )
        if len(edges) <= 60:
            x, y = _free_spot(spots, len(told) * 6.5, taken)
            labels.append(label(x, y - 3, told, "s halo", "middle"))
            if gap == LAYER_GAP:
                labels.append(label(x, y + 9, stream.grouping.value, "xs soft halo", "middle"))
    nodes = [_node(topology, figures, v, at[v, -1], known_rates) for v in range(len(layer))]
    return picture(
        width, height, f"Streams of {topology.name}", *flows, *nodes, *labels, least=LEAST_WIDTH
    )


def layers(size: int, edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[bool]]:
    """Longest way from a component without input, and which edges lead back along a loop."""
    following: list[list[int]] = [[] for _ in range(size)]
    for i, (source, _) in enumerate(edges):
        following[source].append(i)
    backwards = [False] * len(edges)
    state = [0] * size  # 0 not seen, 1 on the way, 2 done
    order: list[int] = []
    readers = {target for _, target in edges}
    for start in sorted(range(size), key=lambda v: v in readers):
        if state[start]:
            continue
        stack = [(start, iter(following[start]))]
        state[start] = 1
        while stack:
            v, left = stack[-1]
            edge = next(left, None)
            if edge is None:
                state[v] = 2
                order.append(v)
                stack.pop()
                continue
            target = edges[edge][1]
            if state[target] == 1:
                backwards[edge] = True
            elif not state[target]:
                state[target] = 1
                stack.append((target, iter(following[target])))
    found = [0] * size
    for v in reversed(order):
        for edge in following[v]:
            if not backwards[edge]:
                found[edges[edge][1]] = max(found[edges[edge][1]], found[v] + 1)
    return found, backwards


def _height(place: Place) -> float:
    return NODE_HEIGHT if place[1] == -1 else PASSAGE_HEIGHT


def _arranged(
    layer: Sequence[int], edges: Sequence[tuple[int, int]], backwards: Sequence[bool]
) -> tuple[list[list[Place]], list[list[Place]]]:
    """Places of each layer in order, and the places that each edge passes."""
    grid: list[list[Place]] = [[] for _ in range(max(layer) + 1)]
    for v, at in enumerate(layer):
        grid[at].append((v, -1))
    ways: list[list[Place]] = []
    neighbours: dict[Place, list[Place]] = {}
    for i, (source, target) in enumerate(edges):
        between: list[Place] = []
        if not backwards[i]:
            between = [(-1 - i, at) for at in range(layer[source] + 1, layer[target])]
            for place in between:
                grid[place[1]].append(place)
            chain = [(source, -1), *between, (target, -1)]
            for a, b in pairwise(chain):
                neighbours.setdefault(a, []).append(b)
                neighbours.setdefault(b, []).append(a)
        ways.append(between)
    depth = {place: i for i, column in enumerate(grid) for place in column}
    for turn in range(SWEEPS):
        ahead = turn % 2 == 0
        columns = range(1, len(grid)) if ahead else range(len(grid) - 2, -1, -1)
        for i in columns:
            row = {p: k for column in grid for k, p in enumerate(column)}
            beside = i - 1 if ahead else i + 1
            grid[i].sort(key=lambda p: _mean_row(p, neighbours, row, depth, beside))
    return grid, ways


def _mean_row(
    place: Place,
    neighbours: Mapping[Place, list[Place]],
    row: Mapping[Place, int],
    depth: Mapping[Place, int],
    beside: int,
) -> float:
    rows = [row[p] for p in neighbours.get(place, ()) if depth[p] == beside]
    return sum(rows) / len(rows) if rows else float(row[place])


def _ports(
    at: Mapping[Place, tuple[float, float]],
    ways: Sequence[Sequence[Place]],
    edges: Sequence[tuple[int, int]],
) -> tuple[list[float], list[float]]:
    """Heights at which each edge leaves its source and arrives, in the order of the other ends."""
    leave, arrive = [0.0] * len(edges), [0.0] * len(edges)
    for end, found in ((0, leave), (1, arrive)):
        sides: dict[int, list[tuple[float, int]]] = {}
        for i, edge in enumerate(edges):
            beside = ways[i][-end] if ways[i] else (edge[1 - end], -1)
            sides.setdefault(edge[end], []).append((at[beside][1], i))
        for v, side in sides.items():
            room = 0.7 * NODE_HEIGHT
            for k, (_, i) in enumerate(sorted(side)):
                found[i] = at[v, -1][1] + room * ((k + 0.5) / len(side) - 0.5)
    return leave, arrive


Point = tuple[float, float]


def _back(start: Point, goal: Point, low: float) -> tuple[str, list[Point]]:
    """A curve below everything, for a stream that closes a loop; and places for its label."""
    (x, y), (goal_x, goal_y) = start, goal
    path = (
        f"M{x:.0f} {y:.0f}C{x + 40:.0f} {low:.0f} {x:.0f} {low:.0f} {x - 40:.0f} {low:.0f}"
        f"L{goal_x + 40:.0f} {low:.0f}"
        f"C{goal_x:.0f} {low:.0f} {goal_x - 40:.0f} {low:.0f} {goal_x:.0f} {goal_y:.0f}"
    )
    return path, [(x + part * (goal_x - x), low) for part in (0.5, 0.3, 0.7)]


def _path(
    start: Point, between: Sequence[Point], goal: Point, near_goal: bool
) -> tuple[str, list[Point]]:
    """A curve from source to target, and places for its label: at the end that fewer share."""
    x, y = start
    path = f"M{x:.0f} {y:.0f}"
    spots: list[Point] = []
    points = [*between, goal]
    for i, (next_x, next_y) in enumerate(points):
        half = (next_x - x) / 2
        path += (
            f"C{x + half:.0f} {y:.0f} {next_x - half:.0f} {next_y:.0f} {next_x:.0f} {next_y:.0f}"
        )
        if i == (len(points) - 1 if near_goal else 0):
            parts = (0.66, 0.5, 0.34, 0.8) if near_goal else (0.34, 0.5, 0.66, 0.2)
            # The height of this curve at part t is that of the smooth step.
            spots = [(x + t * (next_x - x), y + t * t * (3 - 2 * t) * (next_y - y)) for t in parts]
        if i < len(points) - 1:
            path += f"L{next_x + NODE_WIDTH:.0f} {next_y:.0f}"
        x, y = next_x + NODE_WIDTH, next_y
    return path, spots


def _free_spot(
    spots: Sequence[Point], width: float, taken: list[tuple[float, float, float]]
) -> Point:
    """The first place at which no label lies yet, or the first one moved down until that holds."""
    moved = [(x, y + LABEL_HEIGHT * k) for k in (0, 1, -1, 2, -2) for x, y in spots]
    x, y = next(
        (
            (x, y)
            for x, y in moved
            if not any(
                abs(x - other) < (width + wide) / 2 and abs(y - row) < LABEL_HEIGHT
                for other, row, wide in taken
            )
        ),
        spots[0],
    )
    taken.append((x, y, width))
    return x, y


def _node(
    topology: Topology,
    figures: PlanFigures,
    v: int,
    place: tuple[float, float],
    known_rates: bool,
) -> Markup:
    component = topology.components[v]
    x, middle = place
    y = middle - NODE_HEIGHT / 2
    hot = v == figures.hot_component
    what = component.kind.value
    rate = f", {per_second(float(figures.input_per_s[v]))}" if known_rates else ""
    return element(
        "g",
        tip(f"{what} {component.name}, {component.parallelism} instances{rate}"),
        element(
            "rect", x=x, y=y, width=NODE_WIDTH, height=NODE_HEIGHT, rx=27 if what == "spout" else 5,
            class_="node hot" if hot else "node",
        ),
        label(x + NODE_WIDTH / 2, y + 17, shortened(component.name, 17), "b", "middle"),
        label(
            x + NODE_WIDTH / 2, y + 32, f"{what} × {component.parallelism}{rate}", "s soft",
            "middle",
        ),
        label(x + NODE_WIDTH / 2, y + 47, "bottleneck", "s hotword", "middle") if hot else None,
    )  # fmt: skip
