"""Answer one serialised request: what a worker process runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bridge import __version__, logs
from bridge.contract import IncompatibleContract, NotOffered
from bridge.conversion import (
    Asked,
    Options,
    pack_from_bytes,
    repack_from_bytes,
    response_from_decision,
)
from bridge.planners import planners_for
from packing.choose import choose
from packing.objective import DEFAULT_OBJECTIVE, check_objective
from packing.request import Request

__all__ = ["IncompatibleContract", "NotOffered", "answer", "configure"]

_objective = DEFAULT_OBJECTIVE
_profiles_dir: Path | None = None


def configure(objective: str = DEFAULT_OBJECTIVE, profiles_dir: str | None = None) -> None:
    """Set this process's defaults: the objective of requests that name none, and where profiles
    are. Raises InvalidRequest for an objective that does not exist."""
    global _objective, _profiles_dir  # noqa: PLW0603 - a worker is configured once, at its start
    _objective = check_objective(objective)
    _profiles_dir = None if profiles_dir is None else Path(profiles_dir)


def answer(method: str, request: bytes) -> bytes:
    """The serialised response of `method` to a serialised request.

    Raises packing.errors.PackingError for what the request gets wrong, IncompatibleContract for a
    sender that is too new, NotOffered for methods that are declared but not implemented.
    """
    readers: dict[str, Callable[[bytes], Asked]] = {
        "Pack": pack_from_bytes,
        "Repack": repack_from_bytes,
    }
    if method not in readers:
        raise NotOffered(f"{method} is declared in the contract but not offered by this bridge yet")
    started_s = time.perf_counter()
    asked = readers[method](request)
    logs.note(topology=asked.topology.name, **{k: v for k, v in asked.caller.items() if v})
    planning = _with_load(
        Request(
            asked.topology,
            asked.constraints,
            asked.scheduler,
            asked.current,
            asked.deltas,
            asked.container_count,
            containers_free=asked.options.containers_free,
        ),
        asked.options,
    )
    decision = choose(
        planning,
        planners_for(planning),
        asked.heron,
        asked.options.objective or _objective,
        time.perf_counter,
    )
    logs.note(
        chosen=decision.chosen.planner,
        objective=decision.objective,
        containers=decision.plan.container_count,
        instances=decision.plan.instance_count,
        dry_run=asked.dry_run,
        reason=decision.reasons[0],
    )
    response = response_from_decision(
        decision, time.perf_counter() - started_s, asked.current_plan_sha256, __version__
    )
    return response.SerializeToString()


def _with_load(request: Request, options: Options) -> Request:
    """The request with what is known of its load."""
    if _profiles_dir is None and not options.profile and not options.target_rate_per_s:
        return request
    # Reading files takes a library that a bridge without profiles need not load.
    from bridge.heron_costs import shipped_costs  # noqa: PLC0415
    from bridge.profiles import at_rate, find_profile  # noqa: PLC0415

    profile = find_profile(options.profile, request.topology, _profiles_dir)
    # Of the spouts that will run: at a repack the topology still has those of the submit.
    offered = at_rate(profile, request.target, options.target_rate_per_s)
    return replace(request, profile=offered, costs=shipped_costs().costs)
