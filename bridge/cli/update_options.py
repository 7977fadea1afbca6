"""Options of the planning commands that make a request an update of what runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bridge.cli.scenarios import container_count, parallelism
from bridge.comparison import Update
from packing.errors import InvalidRequest


def update_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--running` and the changes; the command gets them as its argument `update`, or None."""

    @functools.wraps(command)
    def with_update(
        *args: Any,
        running: Path | None,
        parallelisms: Sequence[str],
        containers: int | None,
        **given: Any,
    ) -> Any:
        update = None
        count = None if containers is None else container_count(containers)
        if running is not None or parallelisms or count is not None:
            wanted: dict[str, int] = {}
            for text in parallelisms:
                stated = parallelism(text)
                twice = sorted(stated.keys() & wanted.keys())
                if twice:
                    raise InvalidRequest(
                        f"--parallelism is given twice for {twice[0]!r}; an update has one"
                    )
                wanted |= stated
            update = Update(wanted, count, running)
        return command(*args, update=update, **given)

    for option in (
        click.option(
            "--containers",
            type=int,
            metavar="N",
            help="An update to so many containers.",
        ),
        click.option(
            "--parallelism",
            "parallelisms",
            multiple=True,
            metavar="COMPONENT=N",
            help="An update to this parallelism; the others keep theirs. May be repeated.",
        ),
        click.option(
            "--running",
            type=click.Path(path_type=Path),
            metavar="PLAN",
            help="A plan file: what runs now, and is to be updated. A live topology needs none.",
        ),
    ):
        with_update = option(with_update)
    return with_update
