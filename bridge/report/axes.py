"""Axes of a plot: from figures to places in a picture, with round marks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bridge.report.markup import Markup, element, label, number

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 18, 44


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, even or logarithmic."""

    low: float
    high: float
    name: str
    told: Callable[[float], str]
    """A mark as text."""
    logarithmic: bool = False

    def part(self, value: float) -> float:
        """Where a value lies: 0 at `low`, 1 at `high`; what lies outside is put at the end."""
        if self.logarithmic:
            at = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            at = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, at))

    def marks(self) -> list[float]:
        """Round values."""
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            powers = [10.0**i for i in range(first, last + 1)]
            every = max(1, len(powers) // 6)
            found = [p for p in powers[::every] if self.low <= p <= self.high]
            if len(found) >= 2:
                return found
            few = [m * 10.0**i for i in range(first, last + 1) for m in (1, 2, 5)]
            return [m for m in few if self.low <= m <= self.high]
        return round_marks(self.low, self.high)


def round_marks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    width = (high - low) / most
    power = 10.0 ** math.floor(math.log10(width))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= width * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def around(values: Iterable[float], from_zero: bool = False) -> tuple[float, float]:
    """Ends of an axis that shows all `values` with some room."""
    known = [v for v in values if math.isfinite(v)] or [0.0]
    low, high = (0.0 if from_zero else min(known)), max(known)
    room = max(0.12 * (high - low), 0.05 * abs(high)) or 1.0
    return (0.0 if from_zero or (low >= 0 and low - room < 0) else low - room), high + room


@dataclass(frozen=True)
class Frame:
    """A plot's area with two axes."""

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Place of a point."""
        return (
            LEFT + self.x.part(x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.part(y) * (HEIGHT - TOP - BOTTOM),
        )

    def drawn(self) -> Iterable[Markup]:
        """Axes, grid and names."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for mark in self.y.marks():
            _, y = self.at(self.x.low, mark)
            yield element("path", d=f"M{LEFT} {number(y)}H{right}", class_="grid")
            yield label(LEFT - 6, y + 4, self.y.told(mark), "s soft", "end")
        for mark in self.x.marks():
            x, _ = self.at(mark, self.y.low)
            yield element("path", d=f"M{number(x)} {bottom}v4", class_="axis")
            yield label(x, bottom + 17, self.x.told(mark), "s soft", "middle")
        yield element("path", d=f"M{LEFT} {TOP}V{bottom}H{right}", class_="axis")
        yield label((LEFT + right) / 2, HEIGHT - 6, self.x.name, "s", "middle")
        yield label(4, 11, self.y.name, "s")

    def line(self, points: Sequence[tuple[float, float]], class_: str) -> Markup:
        """A line through the points."""
        places = [self.at(*point) for point in points]
        path = "L".join(f"{number(x)} {number(y)}" for x, y in places)
        return element("path", d=f"M{path}", class_=class_)

    def band(self, points: Sequence[tuple[float, float, float]], class_: str) -> Markup:
        """The area between two lines, from rows of x, low, high."""
        there = [self.at(x, low) for x, low, _ in points]
        back = [self.at(x, high) for x, _, high in reversed(points)]
        path = "L".join(f"{number(x)} {number(y)}" for x, y in (*there, *back))
        return element("path", d=f"M{path}Z", class_=class_)

    def upright(self, x: float, told: str, class_: str, row: int) -> Iterable[Markup]:
        """A line over the whole height with its name at the top."""
        at, _ = self.at(x, self.y.low)
        yield element("path", d=f"M{number(at)} {TOP}V{HEIGHT - BOTTOM}", class_=class_)
        right = at > WIDTH - 170
        yield label(
            at + (-5 if right else 5),
            TOP + 12 + 14 * row,
            told,
            "s halo",
            "end" if right else "start",
        )

    def between(self, low: float, high: float, class_: str) -> Markup:
        """An area over the whole height."""
        left, _ = self.at(low, self.y.low)
        right, _ = self.at(high, self.y.low)
        return element(
            "rect", x=left, y=TOP, width=max(0.5, right - left), height=HEIGHT - TOP - BOTTOM,
            class_=class_,
        )  # fmt: skip
