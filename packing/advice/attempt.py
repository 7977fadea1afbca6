"""A plan that a parallelism was tried with, judged no further than it takes to refuse it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from packing.advice.rate_goal import RateGoal
from packing.advice.trial import Trial
from packing.candidate import examined, failed
from packing.model.demand import Needs, place
from packing.model.saturation import Limit, Servers, first_full, quotas
from packing.model.uncertainty import Truth
from packing.plan import Plan
from packing.planners import Planner
from packing.request import Request
from packing.topology import Kind
from packing.validation import violations

CLOSE_ENOUGH = 1e-3
"""Relative error of the load that a plan carries, where many are compared."""
UNSURE = 2e-3
"""A plan that misses the load by less is predicted in full."""


@dataclass(frozen=True, eq=False)
class Attempt:
    """What a planner answered to a request, and whether that can do."""

    planner: str
    request: Request
    answer: object
    """A plan, or what the planner raised."""
    goal: RateGoal
    truth: Callable[[], Truth]

    @staticmethod
    def of(
        name: str, planner: Planner, request: Request, goal: RateGoal, truth: Callable[[], Truth]
    ) -> Attempt:
        """Ask a planner."""
        answer: object
        try:
            answer = planner(request)
        except Exception as error:
            answer = error
        return Attempt(name, request, answer, goal, truth)

    @property
    def containers(self) -> int:
        """Of the plan; 0 without one."""
        return self.answer.container_count if isinstance(self.answer, Plan) else 0

    @cached_property
    def usable(self) -> bool:
        """Whether there is a plan that could be deployed."""
        plan = self.answer
        return isinstance(plan, Plan) and not any(v.fatal for v in violations(plan, self.request))

    @cached_property
    def carried(self) -> float:
        """Sustainable load over the rate, nearly; 0 without a usable plan."""
        return 0.0 if self._servers is None else self._servers[0]

    @cached_property
    def _servers(self) -> tuple[float, tuple[Limit, ...]] | None:
        """The load that is carried, and what limits it."""
        plan, request = self.answer, self.request
        if not isinstance(plan, Plan) or not self.usable:
            return None
        cores = plan.granted_by(request.scheduler.homogeneous)[:, 0]
        needs = Needs(place(request.prepared, plan), request.costs, request.runtime)
        servers = Servers(needs, quotas(needs.placed, request.runtime, cores))
        full, when_full = first_full(needs, servers, needs.at(), CLOSE_ENOUGH)
        return full, servers.limits(when_full)

    @property
    def limit(self) -> Limit | None:
        """What is full first."""
        return self._servers[1][0] if self._servers is not None and self._servers[1] else None

    @cached_property
    def trial(self) -> Trial:
        """The plan checked and predicted in full."""
        if isinstance(self.answer, Exception):
            candidate = failed(self.planner, self.answer)
        else:
            try:
                candidate = examined(self.planner, self.answer, self.request)
            except Exception as error:
                candidate = failed(self.planner, error)
        return Trial(self.request, candidate, self.goal, self.truth)

    @property
    def too_weak(self) -> bool:
        """Whether the plan is known not to carry the load with its headroom."""
        return self.carried < self.goal.load_factor * (1 - UNSURE)

    @property
    def holds(self) -> bool:
        """Whether the plan does all that is asked for."""
        return not self.too_weak and self.trial.holds

    @property
    def carries(self) -> bool:
        """The rate with its headroom, as predicted."""
        return not self.too_weak and self.trial.carries

    @property
    def merit(self) -> tuple[bool, bool, float]:
        """Higher is better."""
        return (False, False, self.carried) if self.too_weak else self.trial.merit

    @property
    def instances_limit(self) -> bool:
        """Whether an instance is too weak, which a placement changes little."""
        limit = self.limit
        if limit is None or limit.component is None:
            return False
        if self.carries:
            return self.trial.in_time and not self.trial.likely
        # Packets into a gateway follow from who shares a container, those of a spout do not.
        spout = self.request.topology.component(limit.component).kind is Kind.SPOUT
        return "gateway" not in limit.name or (spout and not self.request.runtime.acking)
