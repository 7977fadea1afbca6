"""HTML and SVG as text, in which everything that is not markup already is escaped."""

from __future__ import annotations

from html import escape


class Markup(str):
    """Text that is well-formed markup and must not be escaped again."""

    __slots__ = ()


VOID = frozenset({"meta", "br", "hr", "col"})
"""HTML elements that have no end tag."""


def number(value: float) -> str:
    """A coordinate: a tenth of a pixel is enough, and short."""
    return f"{value:.1f}".removesuffix(".0")


def joined(*parts: str | None) -> Markup:
    """Parts one after the other; what is no markup is escaped, None is left out."""
    return Markup(
        "".join(
            part if isinstance(part, Markup) else escape(part, quote=False)
            for part in parts
            if part is not None
        )
    )


def element(name: str, /, *content: str | None, **attributes: str | float | None) -> Markup:
    """One element. `class_` is the attribute class, `stroke_width` is stroke-width, None none."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="'
        f'{escape(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(*content)}</{name}>")


def picture(
    width: float, height: float, label: str, *content: str | None, least: float = 0.0
) -> Markup:
    """An inline SVG in its natural size, with a text for those who do not see it.

    Where it may shrink, it does not below `least` of its width.
    """
    return element(
        "svg",
        *content,
        width=width,
        height=height,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_label=label,
        style=f"min-width:{least * width:.0f}px" if least else None,
    )


def tip(*lines: str) -> Markup:
    """What a browser shows when the pointer rests on a shape."""
    return element("title", "\n".join(lines))


def label(x: float, y: float, content: str, class_: str = "", anchor: str = "start") -> Markup:
    """Text in a picture."""
    return element(
        "text",
        content,
        x=x,
        y=y,
        class_=class_ or None,
        text_anchor=None if anchor == "start" else anchor,
    )


def shortened(text: str, most: int) -> str:
    """At most so many characters, the end replaced by an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
