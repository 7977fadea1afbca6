"""What a topology is read from: a workload file, Heron's `.defn`, or a Heron Tracker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bridge.tracked_topology import TRACKER_PREFIX, parse_source
from bridge.workload import Workload, load_profile, load_workload


def load_source(
    source: str | Path, profile: Path | None = None, done: Callable[[str], None] = lambda _: None
) -> Workload:
    """Read a topology with what is known of its load.

    `source` is the path of a workload file (JSON, YAML) or of a `.defn`, or a live topology as
    `tracker:http://host:port/cluster/environ/topology`. `profile` is a file whose load is taken
    instead. `done` hears of every answer of a Tracker. Raises InvalidRequest for what is wrong
    with the text or a file, `bridge.errors.Unreachable` when the Tracker does not answer.
    """
    text = str(source)
    if not text.startswith(TRACKER_PREFIX):
        return load_workload(Path(source), profile)
    from bridge import tracker  # noqa: PLC0415 - files need no HTTP

    read = tracker.read_topology(parse_source(text), done=done)
    if profile is None:
        return read
    return replace(read, profile=load_profile(profile, read.topology), notes=())
