"""How much a search may do. Work is counted, not timed: the same request gets the same plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from packing.errors import InvalidRequest


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Budget:
    """Effort of one request's search, and who may end it early."""

    steps_factor: float = 1.0
    """Annealing steps of each plan over the usual number, which depends on the size alone
    (`packing.planners.search.usual_steps`)."""
    rounds: int = 1
    """How often they are spent; from the second time on the best found so far."""
    caps: tuple[float, ...] = ()
    """Further caps on the load of the fullest container that are tried, as places between the
    most level one, 0, and that of the traffic optimum, 1."""
    stop: Callable[[], bool] = _never
    """Asked between steps of the work; once it is true the best so far is the answer. Without it
    answers do not depend on time."""

    def until(self, stop: Callable[[], bool]) -> Budget:
        """The same with another end."""
        return replace(self, stop=stop)


BUDGETS: Mapping[str, Budget] = MappingProxyType(
    {
        "quick": Budget(steps_factor=0.25),
        "default": Budget(),
        "thorough": Budget(steps_factor=16.0, rounds=8, caps=(0.25, 0.5, 0.75)),
    }
)
"""By the names that settings use."""
DEFAULT_BUDGET = BUDGETS["default"]


def check_effort(name: str) -> str:
    """`name` itself, `default` for an empty one; InvalidRequest for one that does not exist."""
    if not name:
        return "default"
    if name not in BUDGETS:
        raise InvalidRequest(f"effort {name!r} does not exist; use {', '.join(BUDGETS)}")
    return name
