"""`heron-bridge serve`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from bridge import fork_server, logs
from bridge.errors import CannotStart, InvalidSettings
from bridge.settings import OPTIONS, default_text, load, option_type

# What went wrong, as exit status. 2 is also what click uses for a wrong command line.
SETTINGS_WRONG = 2
CANNOT_START = 3

# What answers requests in the workers. Tests of the server put an answer of their own here.
ANSWER = "bridge.planning:answer"


def _flag(name: str) -> click.Option:
    """The flag of one option; None when it is not given, so that the file can decide."""
    kind = option_type(name)
    description = OPTIONS[name].description
    text = default_text(name)
    extra: dict[str, Any] = {}
    flag = f"--{name.replace('_', '-')}"
    if kind is bool:
        flag = f"{flag}/--no-{name.replace('_', '-')}"
        extra["is_flag"] = True
    elif isinstance(kind, tuple):
        extra["type"] = click.Choice(kind)
    elif kind is Path:
        extra["type"] = click.Path(path_type=Path)
    else:
        extra["type"] = kind
    return click.Option(
        [flag],
        default=None,
        help=f"{description}{f' [default: {text}]' if text else ''}",
        **extra,
    )


@click.command(params=[_flag(name) for name in OPTIONS])
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="TOML file with the same options (queue_size = 16); flags win over it.",
)
def serve(config_file: Path | None, **flags: Any) -> None:
    """Run the service that Heron's packing plugin asks for plans.

    It ends on SIGTERM or SIGINT with status 0, after the requests in flight or when --grace-s is
    over; a second signal ends it at once. Status 2: the settings are wrong. Status 3: it could
    not start, for example because the port is in use.
    """
    fork_server.prepare(ANSWER)
    from bridge import server  # noqa: PLC0415 -- while the other process imports as well

    try:
        settings = load(config_file, flags)
    except InvalidSettings as error:
        _fail(str(error), SETTINGS_WRONG)
    folder = settings.profiles_dir
    if folder is not None and not folder.is_dir():
        _fail(
            f"profiles_dir = {str(folder)!r} is no folder; create it or name another", CANNOT_START
        )
    logs.configure(settings.log_format, settings.log_level)
    try:
        server.run(settings, ANSWER)
    except CannotStart as error:
        _fail(str(error), CANNOT_START)


def _fail(sentence: str, status: int) -> Any:
    click.echo(f"heron-bridge: {sentence}", err=True)
    sys.exit(status)
