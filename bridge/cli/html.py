"""`--html FILE` of the planning commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from packing.errors import InvalidRequest

PAGE_STEPS = 30
"""About so many steps of progress: the points of the load sweep and two more."""


def html_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--html FILE`."""
    return click.option(
        "--html",
        "html",
        type=click.Path(path_type=Path),
        help="Write a page about it: pictures of the plan, its limits and its rivals, the reasons.",
    )(command)


def write_page(path: Path, html: str) -> None:
    """Raises InvalidRequest when the file cannot be written."""
    if str(path) == "-":
        raise InvalidRequest("--html - is no file; standard output is for the table: name a file")
    try:
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from None
