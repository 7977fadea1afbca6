"""Utilisation and latency as load rises, and what scenarios lead to, with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bridge.amounts import times, times_between
from bridge.report.axes import HEIGHT, WIDTH, Axis, Frame, around
from bridge.report.figures import FAR, Sweep
from bridge.report.markup import Markup, element, joined, label, number, picture, tip
from packing.errors import Infeasible
from packing.model.uncertainty import Interval
from packing.scenario import Outcome, Scenario

MOST_SHOWN = 1.6
"""Utilisation beyond which an interval is cut off."""
ROW_HEIGHT, NAME_WIDTH = 26, 210
HOUR_S = 3600


def times_mark(value: float) -> str:
    """`1.5x`, for marks of axes."""
    return f"{value:.3g}x"


def duration(seconds: float) -> str:
    """`15 ms`, `2.5 s`, `3.1 h`."""
    return f"{seconds / HOUR_S:.3g} h" if seconds >= 2 * HOUR_S else seconds_mark(seconds)


def seconds_mark(seconds: float) -> str:
    """The same for marks of axes, which are round in seconds."""
    if seconds >= 1:
        return f"{seconds:.3g} s" if seconds < 1000 else f"{seconds:.0f} s"
    return f"{1000 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} us"


def load_curves(sweep: Sweep) -> Markup:
    """Utilisation and latency against the load offered."""
    return element(
        "div",
        _figure(
            _utilisation(sweep),
            "CPU that the load takes over the cores of the fullest container, with its 80 % "
            "interval, and the server that is full first (dashed). At 100 % Heron holds the spouts "
            "back. The upright line with a number is the load that is carried, the area over the "
            "whole height its 80 % interval.",
        ),
        _figure(
            _latency(sweep),
            "Mean time from emission to the end of execution at the sinks, with its 80 % interval, "
            "and the 99th percentile (dashed). The scale is logarithmic. Beyond what is carried, "
            "buffers are full; where that may be, the interval is open and reaches the upper edge.",
        ),
        class_="plots",
    )


def _figure(drawn: Markup, caption: str) -> Markup:
    return element("figure", drawn, element("figcaption", caption))


def _loads(sweep: Sweep) -> Axis:
    first, last = float(sweep.factors[0]), float(sweep.factors[-1])
    name = "load over that of the profile"
    if not 1 / FAR <= sweep.sustainable <= FAR:
        return Axis(first, last, name, times_mark, logarithmic=True)
    return Axis(0.0, last, name, times_mark)


def _uprights(frame: Frame, sweep: Sweep) -> Markup:
    return joined(
        frame.between(sweep.sustainable_low, sweep.sustainable_high, "a3"),
        *frame.upright(sweep.sustainable, f"carries {times(sweep.sustainable)}", "l3", 1),
        *frame.upright(sweep.offered, "load as stated", "axis", 0),
    )


def _utilisation(sweep: Sweep) -> Markup:
    rows = []
    for factor, outcome in zip(sweep.factors.tolist(), sweep.outcomes, strict=True):
        spread = outcome.intervals
        assert spread is not None
        likely = spread.highest_cpu_utilisation
        rows.append(
            (factor, likely.low, likely.high, outcome.prediction.highest_cpu_utilisation or 0.0)
        )
    finite = [value for row in rows for value in row[1:] if math.isfinite(value)]
    highest = min(MOST_SHOWN, max(1.1, *finite)) if finite else 1.1
    frame = Frame(_loads(sweep), Axis(0.0, highest, "utilisation", lambda v: f"{v:.0%}"))
    loads = [frame.x.low, *sweep.factors.tolist(), sweep.sustainable]
    full = [(x, x / sweep.sustainable) for x in sorted(loads) if x <= sweep.sustainable]
    return picture(
        WIDTH,
        HEIGHT,
        "Utilisation against load",
        *frame.drawn(),
        frame.band([(x, low, high) for x, low, high, _ in rows], "a1"),
        frame.line([(x, 1.0) for x in (frame.x.low, frame.x.high)], "axis"),
        _uprights(frame, sweep),
        frame.line(full, "l2"),
        frame.line([(x, value) for x, _, _, value in rows if value <= highest], "l1"),
        *_key((("c1", "CPU of the fullest container"), ("c2", sweep.limit))),
    )


def _latency(sweep: Sweep) -> Markup:
    rows = []
    for factor, outcome in zip(sweep.factors.tolist(), sweep.outcomes, strict=True):
        spread, when = outcome.intervals, outcome.prediction.latency
        if spread is None or when is None or when.mean_s <= 0:
            continue
        likely = spread.latency_mean_s
        rows.append((factor, likely.low, likely.high, when.mean_s, when.p99_s))
    values = [v for row in rows for v in row[1:] if math.isfinite(v) and v > 0]
    if not values:
        return picture(WIDTH, 30, "No latency", label(0, 20, "Nothing flows, so no latency."))
    frame = Frame(
        _loads(sweep), Axis(0.7 * min(values), 2.2 * max(values), "latency", seconds_mark, True)
    )
    return picture(
        WIDTH,
        HEIGHT,
        "Latency against load",
        *frame.drawn(),
        frame.band([(x, low, high) for x, low, high, _, _ in rows], "a1"),
        _uprights(frame, sweep),
        frame.line([(x, p99) for x, _, _, _, p99 in rows], "l2"),
        frame.line([(x, mean) for x, _, _, mean, _ in rows], "l1"),
        *_key((("c1", "mean"), ("c2", "99th percentile"))),
    )


def _key(entries: Sequence[tuple[str, str]]) -> list[Markup]:
    """Names of the lines, at the top right beside the axis' name."""
    x = 110.0
    found = []
    for colour, name in entries:
        found.append(label(x, 11, f"{'— ' if colour == 'c1' else '-- '}{name}", f"s b {colour}"))
        x += 30 + 6.4 * len(name)
    return found


def scenario_intervals(
    base: Outcome, outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]]
) -> Markup | None:
    """What each scenario carries, with its interval, beside the base; None: load not known."""
    rows = [("as it is", base), *((s.title, o) for s, o in outcomes if isinstance(o, Outcome))]
    known = [
        (name, o.prediction.sustainable_load_factor, o.intervals.sustainable_load_factor)
        for name, o in rows
        if o.intervals is not None and o.prediction.sustainable_load_factor is not None
    ]
    if not known:
        return None
    _, high = around([1.0, *(i.high for _, _, i in known), *(v for _, v, _ in known)], True)
    width, height = 760, len(known) * ROW_HEIGHT + 40
    axis = Axis(0.0, high, "", times_mark)

    def at(value: float) -> float:
        return NAME_WIDTH + axis.part(value) * (width - NAME_WIDTH - 70)

    parts: list[str] = []
    for mark in axis.marks():
        parts.append(element("path", d=f"M{number(at(mark))} 4V{height - 32}", class_="grid"))
        parts.append(label(at(mark), height - 18, times_mark(mark), "s soft", "middle"))
    parts.append(element("path", d=f"M{number(at(1.0))} 4V{height - 32}", class_="axis"))
    parts.append(
        label(NAME_WIDTH, height - 3, "carried over offered load; 1x is all that is offered", "s")
    )
    for i, (name, value, likely) in enumerate(known):
        parts += _row(name, value, likely, 4 + (i + 0.5) * ROW_HEIGHT, at)
    return picture(width, height, "What scenarios carry", *parts)


def _row(
    name: str, value: float, likely: Interval, y: float, at: Callable[[float], float]
) -> list[Markup]:
    shown = name if len(name) <= 32 else f"{name[:31]}…"
    ends = f"{times(value)} ({times_between(likely.low, likely.high)})"
    return [
        element(
            "g",
            tip(f"{name}: {ends}"),
            label(NAME_WIDTH - 10, y + 4, shown, "s", "end"),
            element(
                "rect", x=at(likely.low), y=y - 5, width=max(1.0, at(likely.high) - at(likely.low)),
                height=10, class_="a1",
            ),
            element("circle", cx=at(value), cy=y, r=5, class_="p front"),
            label(at(likely.high) + 8, y + 4, times(value), "s b"),
        )
    ]  # fmt: skip
