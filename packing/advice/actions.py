"""What can be done about a running topology, and what was done before."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from packing.disruption import Disruption
from packing.errors import InvalidRequest
from packing.model import Prediction
from packing.plan import Plan

UPDATE_PAUSE_S = 20.0
"""UpdateTopologyManager.java: a fixed sleep of 10 s, then a poll for the new physical plan every
10 s. `topology.update.deactivate.wait.secs` comes on top."""
COOLDOWN_S = 600.0


class ActionKind(enum.Enum):
    """Kinds of resolutions."""

    DO_NOTHING = "do nothing"
    SCALE_UP = "scale up"
    SCALE_DOWN = "scale down"
    SCALE_TO_ADVICE = "scale to advice"
    RESTART_INSTANCE = "restart instance"
    MOVE_INSTANCE = "move instance"
    CHANGE_CONTAINERS = "change containers"


class ActionOutcome(enum.Enum):
    """What became of an action."""

    UNKNOWN = "unknown"
    HELPED = "helped"
    DID_NOT_HELP = "did not help"


@dataclass(frozen=True)
class PastAction:
    """Something that was done to this topology."""

    fingerprint: str
    kind: ActionKind
    at_s: float
    """By the clock of `Timing.now_s`."""
    outcome: ActionOutcome = ActionOutcome.UNKNOWN
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)

    @property
    def grew(self) -> bool:
        """Whether a component got more instances."""
        return self.kind is ActionKind.SCALE_UP or any(
            n > self.before.get(name, n) for name, n in self.after.items()
        )


@dataclass(frozen=True)
class Timing:
    """The caller's clock, and what takes time. Raises InvalidRequest for what cannot be."""

    now_s: float = 0.0
    cooldown_s: float = COOLDOWN_S
    update_pause_s: float = UPDATE_PAUSE_S

    def __post_init__(self) -> None:
        """Refuse what cannot be, naming the value."""
        for what, value in (("cooldown", self.cooldown_s), ("update's pause", self.update_pause_s)):
            if not (math.isfinite(value) and value >= 0):
                raise InvalidRequest(f"the {what} is {value} s; it must be 0 or more")
        if not math.isfinite(self.now_s):
            raise InvalidRequest(f"the time is {self.now_s} s; state the caller's clock")


@dataclass(frozen=True)
class Action:
    """One resolution, judged."""

    kind: ActionKind
    fingerprint: str
    """The same for the same change of the same state."""
    description: str
    parallelism: Mapping[str, int]
    """Of all components, after it."""
    task_ids: tuple[int, ...] = ()
    container_id: int | None = None
    """Container that is restarted."""
    plan: Plan | None = None
    """To deploy; None where the running plan stays or none exists."""
    prediction: Prediction | None = None
    disruption: Disruption | None = None
    downtime_s: float = 0.0
    probability: float = 0.0
    """That it clears the symptoms."""
    clears: bool = False
    """Whether it is predicted to."""
    chosen: bool = False
    reasons: tuple[str, ...] = ()
