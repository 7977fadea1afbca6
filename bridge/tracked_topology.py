"""The name of a live topology: which Tracker tells of it, and what it is called there."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from packing.errors import InvalidRequest

TRACKER_PREFIX = "tracker:"
"""How the name of a live topology begins."""
FORM = f"{TRACKER_PREFIX}http://host:port/cluster/environ/topology"


@dataclass(frozen=True)
class TrackedTopology:
    """Where a topology runs and who can tell of it."""

    url: str
    """Of the Tracker, without a trailing slash."""
    cluster: str
    environ: str
    topology: str

    def __str__(self) -> str:
        """For messages."""
        return f"{self.cluster}/{self.environ}/{self.topology}"

    @property
    def source(self) -> str:
        """The text that `parse_source` reads."""
        names = (self.cluster, self.environ, self.topology)
        path = "/".join(urllib.parse.quote(name, safe="") for name in names)
        return f"{TRACKER_PREFIX}{self.url}/{path}"


def tracked(url: str, cluster: str, environ: str, topology: str) -> TrackedTopology:
    """Raises InvalidRequest for a URL that is none of http or https."""
    parts = urllib.parse.urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        usable = False
    if not usable:
        raise InvalidRequest(f"{url!r} is not the URL of a Tracker; it looks like http://host:8888")
    return TrackedTopology(url.rstrip("/"), cluster, environ, topology)


def parse_source(text: str) -> TrackedTopology:
    """Read `tracker:http://host:port/cluster/environ/topology`; a `/` in a name is `%2F`.

    Raises InvalidRequest.
    """
    url, *names = text.removeprefix(TRACKER_PREFIX).rsplit("/", 3)
    if len(names) != 3 or not all(names) or not urllib.parse.urlsplit(url).netloc:
        raise InvalidRequest(f"{text!r} does not name a live topology; the form is {FORM}")
    return tracked(url, *(urllib.parse.unquote(name) for name in names))
