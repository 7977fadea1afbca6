"""The planners in use: the built-in ones and those that other distributions bring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import entry_points

from packing.errors import InvalidRequest, UnsupportedRequest
from packing.plan import Plan
from packing.planners import BUILT_IN, Planner
from packing.request import Request

GROUP = "heron_bridge.planners"
FREE_COUNT_SHARES = (0.5, 0.75, 1.5)
"""With containers left free: other numbers of containers to try, over the stated one."""


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
    """Planners to ask for `request`.

    Where the number of containers is left to us, the stream planner is also asked at other
    numbers; names such as `stream_affinity@6` say which.
    """
    planners = dict(installed_planners())
    if request.containers_free and request.current is None:
        stated = request.constraints.container_count
        counts = {max(1, round(stated * share)) for share in FREE_COUNT_SHARES} - {stated}
        for count in sorted(c for c in counts if c <= request.topology.instance_count):
            planners[f"stream_affinity@{count}"] = _with_count(planners["stream_affinity"], count)
    return planners


def _with_count(planner: Planner, count: int) -> Callable[[Request], Plan]:
    def plan(request: Request) -> Plan:
        constraints = replace(request.constraints, container_count=count)
        return planner(replace(request, constraints=constraints))

    return plan
