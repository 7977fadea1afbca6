"""What a planner is."""

from __future__ import annotations

from typing import Protocol

from packing.plan import Plan
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
