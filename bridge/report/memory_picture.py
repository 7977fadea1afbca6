"""RAM of the instances: what they get, what they hold, and how often they collect garbage."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.report.axes import Axis, round_marks
from bridge.report.markup import Markup, element, joined, label, number, picture, shortened, tip
from bridge.report.tables import table
from packing.constraints import MIN_INSTANCE_RAM_BYTES
from packing.model.memory import MOST_GC_SHARE, MOST_LIVE, ComponentMemory
from packing.resources import GIB, describe_bytes

NAME_WIDTH, WIDTH, ROW_HEIGHT = 170, 720, 26
MOST_SHOWN = 40
"""Components that are drawn, those that are short of RAM first."""


def memory_section(components: Sequence[ComponentMemory]) -> Markup | None:
    """RAM as a picture and as a table; None where the profile states none."""
    if not components:
        return None
    shown = sorted(components, key=lambda c: c.granted_bytes >= c.enough_bytes)[:MOST_SHOWN]
    more = len(components) - len(shown)
    return joined(
        element("h2", "Memory"),
        element(
            "p",
            "RAM of one instance. Grey: the JVM's own; filled: live data; the rest of the outline "
            "is free for new objects. The thick mark: the RAM with which live data fill at most "
            f"{MOST_LIVE:.0%} of the heap and garbage collection takes at most "
            f"{MOST_GC_SHARE:.0%} of the time.",
        ),
        element("div", _picture(shown), class_="wide"),
        table(
            ("component", "uses", "gets", "heap", "live data", "garbage collection", "enough", ""),
            [_row(component) for component in shown],
            ("component", ""),
        ),
        element("p", f"And {more} more components.", class_="soft") if more else None,
    )


def _row(of: ComponentMemory) -> list[str]:
    short = of.enough_bytes - of.granted_bytes
    return [
        of.component,
        describe_bytes(of.used_bytes),
        describe_bytes(of.granted_bytes),
        describe_bytes(of.heap_bytes) if of.heap_bytes > 0 else "none",
        f"{of.live_share:.0%} of the heap" if of.heap_bytes > 0 else "",
        "" if of.gc_share is None else f"{of.gc_share:.1%} of the time",
        describe_bytes(of.enough_bytes),
        f"short by {describe_bytes(short)}" if short > 0 else "",
    ]


def _picture(components: Sequence[ComponentMemory]) -> Markup:
    most = max(max(c.granted_bytes, c.enough_bytes, c.used_bytes) for c in components)
    axis = Axis(0.0, 1.04 * most / GIB, "", lambda v: f"{v:.3g} GiB")
    height = len(components) * ROW_HEIGHT + 24

    def at(amount_bytes: float) -> float:
        return NAME_WIDTH + axis.part(amount_bytes / GIB) * (WIDTH - NAME_WIDTH - 20)

    parts: list[str] = []
    for mark in round_marks(axis.low, axis.high):
        x = at(mark * GIB)
        parts.append(element("path", d=f"M{number(x)} 2V{height - 20}", class_="grid"))
        parts.append(label(x, height - 6, axis.told(mark), "s soft", "middle"))
    own = MIN_INSTANCE_RAM_BYTES
    for i, of in enumerate(components):
        y, tall = 4 + i * ROW_HEIGHT, ROW_HEIGHT - 8
        end = min(at(of.granted_bytes), at(own))
        left, right = at(own), at(own + of.live_bytes)
        enough = at(of.enough_bytes)
        parts.append(
            element(
                "g",
                tip(", ".join(part for part in _row(of) if part)),
                label(NAME_WIDTH - 10, y + 13, shortened(of.component, 24), "s", "end"),
                element("rect", x=at(0), y=y, width=end - at(0), height=tall, class_="bar"),
                element(
                    "rect", x=left, y=y + 3, width=max(0.5, right - left), height=tall - 6,
                    class_="live",
                ),
                element(
                    "rect", x=at(0), y=y, width=at(of.granted_bytes) - at(0), height=tall,
                    class_="ram",
                ),
                element("path", d=f"M{number(enough)} {y - 2}v{tall + 4}", class_="enough"),
            )
        )  # fmt: skip
    return picture(WIDTH, height, "RAM of one instance of each component", *parts)
