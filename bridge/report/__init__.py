"""A report: one HTML page about a topology, its plan and what it would do.

Pictures are inline SVG; nothing is loaded from elsewhere, and the same analysis gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from bridge.report.page import page
from packing.errors import Infeasible
from packing.scenario import Outcome, Scenario

if TYPE_CHECKING:
    from bridge.analysis import Analysis


def report(
    analysis: Analysis,
    outcomes: Sequence[tuple[Scenario, Outcome | Infeasible]] = (),
    done: Callable[[str], None] = lambda _: None,
) -> str:
    """The page; with `outcomes` of scenarios, these beside the plan as it is."""
    return page(analysis, outcomes, done)


def embedded(html: str) -> str:
    """A page as a frame of another one, such as a notebook."""
    return f'<iframe srcdoc="{escape(html)}" width="100%" height="800" frameborder="0"></iframe>'


__all__ = ["embedded", "report"]
