"""What a planner is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from packing.goal import Goal
from packing.plan import Plan
from packing.planners.repacked import Repacked
from packing.request import Request


class Planner(Protocol):
    """Anything callable that answers a request with a plan: a plain function, or a small class.

    Deterministic: the same request gives the same plan. The plan must keep every rule of
    `packing.validation` that is not a preference. Raises Infeasible when no plan satisfies the
    constraints, UnsupportedRequest when it does not answer this kind of request.
    """

    def __call__(self, request: Request, /) -> Plan:
        """The plan for `request`."""
        ...


@runtime_checkable
class Proposer(Planner, Protocol):
    """A planner with more than one plan to choose from, which knows what it is asked for."""

    def propose(self, request: Request, goal: Goal, /) -> Iterator[tuple[str, Plan | Repacked]]:
        """Plans, each with a word that tells it from the others; "" for what `__call__` returns.

        One after the other, so that the caller may end early. Each keeps what `Planner` asks of a
        plan; raises what that raises where there is none. At an update a plan may come with what
        more moves would have gained.
        """
        ...
