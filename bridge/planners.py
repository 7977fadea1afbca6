"""The planners in use: the built-in ones and those that other distributions bring."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points

from packing.errors import InvalidRequest, UnsupportedRequest
from packing.plan import Plan
from packing.planners import BUILT_IN, Planner
from packing.request import Request

GROUP = "heron_bridge.planners"
FOR_UPDATES = frozenset({"stream_affinity"})
"""Planners that only updates are worth the time of: at a pack `search` starts from better states
and has plans for other numbers of containers too."""


@lru_cache(maxsize=1)
def installed_planners() -> dict[str, Planner]:
    """Planners by name: built-in first, then entry points in the order of their names.

    One that cannot be loaded answers every request with the reason. Raises InvalidRequest when an
    entry point takes a name that is taken.
    """
    planners = dict(BUILT_IN)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name in planners:
            raise InvalidRequest(
                f"entry point {entry.value} calls its planner {entry.name!r}, a name that is taken"
            )
        try:
            planners[entry.name] = entry.load()
        except Exception as error:  # someone else's code: the others go on without it
            planners[entry.name] = _unloadable(entry.value, error)
    return planners


def _unloadable(where: str, error: Exception) -> Planner:
    failure = f"{where} cannot be loaded: {type(error).__name__}: {error}"

    def refuse(_request: Request) -> Plan:
        raise UnsupportedRequest(failure)

    return refuse


def planners_for(request: Request) -> dict[str, Planner]:
    """Planners to ask for `request`."""
    planners = installed_planners()
    if request.current is not None:
        return dict(planners)
    return {name: planner for name, planner in planners.items() if name not in FOR_UPDATES}
