"""What a request is planned for, beside its constraints."""

from __future__ import annotations

from dataclasses import dataclass

from packing.objective import DEFAULT_OBJECTIVE, ENOUGH, Enough
from packing.search.budget import DEFAULT_BUDGET, Budget


@dataclass(frozen=True)
class Goal:
    """Which plan is best, and how much work it may take to find one."""

    objective: str = DEFAULT_OBJECTIVE
    """One of `packing.objective.OBJECTIVES`."""
    enough: Enough = ENOUGH
    """The load that a plan should carry."""
    budget: Budget = DEFAULT_BUDGET
