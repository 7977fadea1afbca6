"""Profiles that the bridge holds: what is known of a topology's load, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bridge.profile_file import library_in
from bridge.workload import SUFFIXES, load_profile
from packing.errors import InvalidRequest
from packing.profile import UNKNOWN, Origin, Profile, Source
from packing.topology import Kind, Topology


def find_profile(name: str, topology: Topology, directory: Path | None) -> Profile:
    """The profile called `name`; without a name, the one called like the topology, if any.

    A profile is a profile or workload file in `directory`. A topology that has none there gets what
    the folder's library says of its components, see `bridge.profile_file`. Raises InvalidRequest
    when a named one does not exist or speaks of components that the topology does not have.
    """
    if name and Path(name).name != name:
        raise InvalidRequest(f"profile name {name!r} must be a plain file name")
    path = None if directory is None else _file_of(name or topology.name, directory)
    if path is None and not name and directory is not None:
        path = library_in(directory)
    if path is None:
        if not name:
            return UNKNOWN
        where = "no folder of profiles is configured" if directory is None else f"in {directory}"
        raise InvalidRequest(f"profile {name!r} was asked for, but there is none: {where}")
    return load_profile(path, topology)


def _file_of(name: str, directory: Path) -> Path | None:
    # A name from a request must not lead out of the folder.
    if Path(name).name != name:
        return None
    candidates = (directory / f"{name}{suffix}" for suffix in SUFFIXES if suffix != ".defn")
    try:
        return next((path for path in candidates if path.is_file()), None)
    except OSError:  # a name that no file can have
        return None


def at_rate(profile: Profile, topology: Topology, rate_per_s: float) -> Profile:
    """`profile` with the spouts' rates scaled so that they sum to `rate_per_s` tuples/s.

    Where rates are unknown or all 0, spouts share alike by instance. 0 leaves the profile as it is.
    """
    if not rate_per_s:
        return profile
    spouts = [c for c in topology.components if c.kind is Kind.SPOUT]
    rates = {c.name: profile.rate_per_s.get(c.name, 1.0) for c in spouts}
    if not all(c.name in profile.rate_per_s for c in spouts) or not any(rates.values()):
        rates = dict.fromkeys(rates, 1.0)
    total = sum(rates[c.name] * c.parallelism for c in spouts)
    asked = Origin(Source.DECLARED, 0.0, f"{rate_per_s:g} tuples/s were asked about")
    return replace(
        profile,
        rate_per_s={name: rate * rate_per_s / total for name, rate in rates.items()},
        origin={**profile.origin, **{("rate_per_s", name): asked for name in rates}},
    )
