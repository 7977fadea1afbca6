"""Progress of what takes over a second: a bar on stderr, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

SHOWN_AFTER_S = 0.7
"""What is done sooner shows no bar."""


@contextmanager
def progress(steps: int, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """A function to be called with the name of each step done; about so many are expected.

    Nothing is written unless stderr is a terminal; a bar leaves nothing behind.
    """
    shown_on = console or Console(stderr=True)
    if not shown_on.is_terminal:
        yield lambda _: None
        return
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=shown_on,
        transient=True,
    )
    task = bar.add_task("reading", total=steps)
    later = Timer(SHOWN_AFTER_S, bar.start)
    later.daemon = True
    later.start()
    try:
        # More steps than expected leave the bar full.
        yield lambda name: bar.update(task, advance=1, description=name[:40])
    finally:
        later.cancel()
        later.join()
        bar.stop()
