"""SOURCE on the command line: a file, or a live topology."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from bridge.tracked_topology import TRACKER_PREFIX, tracked
from bridge.workload import workload_paths
from packing.errors import InvalidRequest


def one_source(command: Callable[..., Any]) -> Callable[..., Any]:
    """SOURCE or `--tracker` and its like; the command gets the argument `source`, a text."""

    @functools.wraps(command)
    def with_source(*args: Any, source: str | None, **given: Any) -> Any:
        if source is not None and Path(source).is_dir():
            raise InvalidRequest(f"{source} is a folder; name one file in it")
        found = _named(() if source is None else (source,), given)
        if len(found) > 1:
            raise InvalidRequest(
                f"{source} and a topology of a Tracker are named; this command takes one"
            )
        return command(*args, source=found[0], **given)

    argument = click.argument("source", required=False, type=click.Path())
    return argument(_with_tracker(with_source))


def many_sources(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same where there may be several, folders included; the command gets `sources`."""

    @functools.wraps(command)
    def with_sources(*args: Any, source: tuple[str, ...], **given: Any) -> Any:
        found = _named(source, given)
        return command(*args, sources=found, **given)

    return click.argument("source", nargs=-1, type=click.Path())(_with_tracker(with_sources))


def _with_tracker(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--topology", default="", metavar="NAME", help="Topology, with --tracker."),
        click.option(
            "--environ", default="default", show_default=True, help="Its environment there."
        ),
        click.option("--cluster", default="local", show_default=True, help="Its cluster there."),
        click.option(
            "--tracker",
            default="",
            metavar="URL",
            help="Heron Tracker of a live topology, instead of SOURCE.",
        ),
    ):
        command = option(command)
    return command


def _named(sources: tuple[str, ...], given: dict[str, Any]) -> list[str]:
    """All that is named, folders replaced by the workload files in them; takes the options out.

    Raises InvalidRequest when nothing is named, or a Tracker without a topology.
    """
    tracker, topology = given.pop("tracker"), given.pop("topology")
    cluster, environ = given.pop("cluster"), given.pop("environ")
    found: list[str] = []
    for name in sources:
        if name.startswith(TRACKER_PREFIX):
            found.append(name)
        else:
            found += [str(path) for path in workload_paths([Path(name)])]
    if tracker:
        if not topology:
            raise InvalidRequest("--tracker needs the name of a topology: add --topology NAME")
        found.append(tracked(tracker, cluster, environ, topology).source)
    elif topology:
        raise InvalidRequest("--topology names a live topology: add --tracker URL")
    if not found:
        raise InvalidRequest(
            "name a workload file, a .defn file, or a live topology with --tracker"
        )
    return found
