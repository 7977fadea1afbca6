"""Tables and lists of the page."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.report.markup import Markup, element

LONG_HEADINGS = frozenset({"what is known", "bottleneck", "instances in each", "ids"})
"""Columns that may take several lines."""


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[str], marked: int = -1
) -> Markup:
    """A table; columns in `text` are aligned to the left, the row `marked` is bold."""
    left = ["t" if heading in text else None for heading in headings]
    classes = [
        f"{c or ''} long".strip() if h in LONG_HEADINGS else c
        for c, h in zip(left, headings, strict=True)
    ]
    heads = (element("th", h, class_=c) for h, c in zip(headings, left, strict=True))
    lines = (
        element(
            "tr",
            *(element("td", v, class_=c) for v, c in zip(row, classes, strict=True)),
            class_="chosen" if i == marked else None,
        )
        for i, row in enumerate(rows)
    )
    return element(
        "div",
        element("table", element("thead", element("tr", *heads)), element("tbody", *lines)),
        class_="wide",
    )


def sentences(told: Sequence[str]) -> Markup | None:
    """A list; None for none."""
    if not told:
        return None
    return element("ul", *(element("li", s) for s in told))
