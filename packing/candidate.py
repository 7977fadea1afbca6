"""A plan that may be chosen: who made it, what it would do, or why it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from packing.disruption import Disruption, disruption
from packing.errors import PackingError
from packing.model import Prediction, predict_placed
from packing.model.uncertainty import Intervals
from packing.plan import Plan
from packing.planners.protocol import Planner
from packing.planners.repacked import Repacked
from packing.request import Request
from packing.validation import Violation, violations


@dataclass(frozen=True)
class Candidate:
    """One planner's answer, with what it would do or why it is none."""

    planner: str
    """Its name; for one of several plans of a planner `name/which`."""
    plan: Plan | None
    prediction: Prediction | None = None
    disruption: Disruption | None = None
    violations: tuple[Violation, ...] = ()
    failure: str = ""
    """Why there is no usable plan; empty for a usable one."""
    took_s: float = 0.0
    intervals: Intervals | None = None
    """How far off the prediction may be; of the plans near the front and the one they are compared
    with, where the load is known."""
    repacked: Repacked | None = None
    """At an update, what more moves would have gained; of a planner that tells."""

    @property
    def usable(self) -> bool:
        """Whether the plan could be deployed."""
        return not self.failure and self.prediction is not None

    @property
    def restarts(self) -> int:
        """Surviving instances that restart; 0 at a pack."""
        return 0 if self.disruption is None else self.disruption.restarted_instances

    @property
    def sustained(self) -> float:
        """Sustainable load factor as predicted; 0 where it is not known."""
        return 0.0 if self.prediction is None else self.prediction.sustainable_load_factor or 0.0


def ask(
    name: str, planner: Planner, request: Request, clock: Callable[[], float] = lambda: 0.0
) -> Candidate:
    """One planner's plan, checked and predicted; a candidate without one when the planner fails.

    A planner may be anyone's: whatever it raises or returns is reported, never raised.
    """
    started_s = clock()
    try:
        candidate = examined(name, planner(request), request)
    except Exception as error:
        candidate = failed(name, error)
    return replace(candidate, took_s=clock() - started_s)


def examined(name: str, answer: object, request: Request) -> Candidate:
    """`judge`, for whatever a planner returned."""
    if isinstance(answer, Plan):
        return judge(name, answer, request)
    failure = f"the planner returned {type(answer).__name__}, not a plan"
    return Candidate(name, None, failure=failure)


def failed(name: str, error: Exception) -> Candidate:
    """A planner that raised."""
    if isinstance(error, PackingError):
        return Candidate(name, None, failure=str(error) or type(error).__name__)
    failure = f"the planner failed with {type(error).__name__}: {error}"
    return Candidate(name, None, failure=failure)


def judge(name: str, plan: Plan, request: Request) -> Candidate:
    """Check and predict a plan."""
    broken = tuple(violations(plan, request))
    fatal = [v for v in broken if v.fatal]
    if fatal:
        return Candidate(name, plan, violations=broken, failure=fatal[0].message)
    return Candidate(
        name,
        plan,
        predicted(plan, request),
        None if request.current is None else disruption(plan, request.current),
        broken,
    )


def predicted(plan: Plan, request: Request) -> Prediction:
    """What the topology of a request would do under a plan of it."""
    return predict_placed(
        request.prepared,
        plan,
        request.scheduler.homogeneous,
        request.costs,
        request.runtime,
    )
