"""What the planning commands share: errors as sentences, how tables look, and options."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from bridge.errors import Unreachable
from packing.errors import PackingError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
ShellComplete = Callable[[click.Context, click.Parameter, str], list[str]]

EXIT_FAILED = 1
"""Exit code when the result is there and cannot be written, or nobody reads on."""
EXIT_REFUSED = 2
"""Exit code when the input is wrong or no plan exists; the sentence on stderr says which."""
EXIT_UNREACHABLE = 3
"""Exit code when a Heron Tracker gives no answer that can be used."""


def sentences(command: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn what planning refuses into one line on stderr and exit code 2, and 3 where no answer
    that can be used comes from outside."""

    @functools.wraps(command)
    def wrapped(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except (PackingError, Unreachable) as error:
            click.echo(f"heron-bridge: {' '.join(str(error).split())}", err=True)
            refused = isinstance(error, PackingError)
            raise SystemExit(EXIT_REFUSED if refused else EXIT_UNREACHABLE) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever reads has seen enough, which click takes for an end
            if error.filename is not None:
                raise
            click.echo(f"heron-bridge: the output cannot be written: {error.strerror}", err=True)
            raise SystemExit(EXIT_FAILED) from None

    return wrapped


def plain_table(title: str = "", caption: str = "", gap: int = 1) -> Table:
    """A table without columns yet, with a line below the headings alone and `gap` spaces between
    columns."""
    return Table(
        title=escape(title) or None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, gap, 0, 0),
        pad_edge=False,
        caption=caption or None,
        caption_justify="left",
    )


def print_table(table: Table) -> None:
    """Print a table. Where a terminal is too narrow for its figures it wraps them, and none is
    cut off."""
    console = Console(highlight=False)
    for column in table.columns:
        if column.no_wrap:
            texts = (str(column.header), *map(str, column.cells))
            column.min_width = max(Text.from_markup(text).cell_len for text in texts)
    least = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
    if least > console.width:
        console = Console(highlight=False, width=least)
    console.print(table)


def milliseconds(seconds: float) -> str:
    """Two digits below 10 ms and from 10,000 s on, else whole ones."""
    whole = 0.01 <= seconds < 10_000
    return f"{1000 * seconds:.0f}" if whole else f"{1000 * seconds:.2g}"


def completing(names: Callable[[], Iterable[str]]) -> ShellComplete:
    """Lets a shell complete one of the names, which are looked up only then."""

    def complete(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
        return [name for name in names() if name.startswith(begun)]

    return complete


def profile_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--profile FILE`."""
    return click.option(
        "--profile",
        type=click.Path(path_type=Path),
        help="A profile or workload file; its load is taken instead of the workload's own.",
    )(command)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")(command)
