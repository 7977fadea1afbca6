"""The order of usable plans, best first.

Every plan has a prediction; how sure it is costs more to say, so it is said only of the plans that
come to the front. Until a plan's own draws are known, it is taken to be as unsure as the plan that
all are compared with: draws of two plans for one topology are of the same truths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from packing.candidate import Candidate
from packing.disruption import GAIN_WORTH_A_RESTART
from packing.model.uncertainty import Intervals, Truth
from packing.objective import Enough, Score, pressure, reference, score
from packing.request import Request
from packing.validation import STATED_PREFERENCES

FRONT = 2
"""So many of the best plans are ranked by draws of their own, unless the others are far behind."""
FAR = 0.05
"""Difference in shortfall that draws of a plan's own do not make up for."""

_Key = tuple[bool, bool, bool, int, Score]


class Ranking:
    """Compares the usable candidates of one request."""

    def __init__(
        self,
        request: Request,
        base: Candidate,
        objective: str,
        enough: Enough,
        barred: bool = False,
    ) -> None:
        """Compare with `base`: Heron's own plan, or the first usable one without it.

        Where it is `barred`, plans that carry less than `base` rank below those that do not.
        """
        self._request = request
        self._objective = objective
        self._enough = enough
        self._drawn: dict[int, Intervals | None] = {}
        """By identity of the plan; candidates may share one."""
        self._carried: dict[int, float] = {}
        """The load factor that a plan with draws sustains with the probability; by the same."""
        self.base = self.with_intervals(base)
        assert base.prediction is not None
        self._against = reference(base.prediction)
        # How evenly requested CPU is spread says too little to rule a plan out.
        self._barred = barred and base.sustained > 0
        self._assured_share = self._known_share()

    def best_first(self, candidates: list[Candidate]) -> list[Candidate]:
        """Not below Heron's, no needless restarts, few broken preferences, then the objective.

        The first ones come back with intervals, where the load is known.
        """
        undisturbed = [self._useful(c) for c in candidates if not c.restarts]

        def needlessly_disturbs(candidate: Candidate) -> bool:
            """Restarts survivors without carrying enough more than the best that restarts none."""
            if not undisturbed or not candidate.restarts:
                return False
            most = max(undisturbed)
            return not most or self._useful(candidate) < most * GAIN_WORTH_A_RESTART

        current = [replace(c, intervals=self._drawn.get(id(c.plan))) for c in candidates]
        while True:
            current.sort(key=lambda c: self._key(c, needlessly_disturbs))
            near = self.shortfall(current[0]) + FAR
            undrawn = [
                i
                for i, c in enumerate(current[:FRONT])
                if id(c.plan) not in self._drawn and (i == 0 or self.shortfall(c) <= near)
            ]
            if not undrawn:
                return current
            current[undrawn[0]] = self.with_intervals(current[undrawn[0]])

    def _useful(self, candidate: Candidate) -> float:
        """What a plan sustains, up to what is asked for: more of it is worth no restart.

        As predicted: a restart is certain, and how far predictions are off is not.
        """
        return min(candidate.sustained, self._enough.load_factor)

    def with_intervals(self, candidate: Candidate) -> Candidate:
        """The candidate with how far off its prediction may be; as it is without a known load."""
        key = id(candidate.plan)
        if key not in self._drawn:
            self._drawn[key] = self._spread(candidate)
        return replace(candidate, intervals=self._drawn[key])

    def _spread(self, candidate: Candidate) -> Intervals | None:
        if candidate.plan is None or candidate.prediction is None:
            return None
        if candidate.prediction.latency is None:
            return None
        homogeneous = self._request.scheduler.homogeneous
        return self._truth.spread(candidate.plan, homogeneous, candidate.prediction)

    def assured(self, candidate: Candidate) -> float | None:
        """Load factor that a plan sustains with the probability asked for; None where unknown."""
        if candidate.prediction is None or candidate.prediction.sustainable_load_factor is None:
            return None
        if candidate.intervals is None:
            return candidate.sustained * self._assured_share
        key = id(candidate.plan)
        if key not in self._carried:
            self._carried[key] = self._enough.assured(candidate.intervals.sustainable_draws)
        return self._carried[key]

    def shortfall(self, candidate: Candidate) -> float:
        """Share of the load to carry that a plan is not sure enough to carry; 0 where unknown."""
        assured = self.assured(candidate)
        return 0.0 if assured is None else self._enough.shortfall(assured)

    @cached_property
    def _truth(self) -> Truth:
        return self._request.truth()

    def _known_share(self) -> float:
        """Assured over predicted load, of the plan that all are compared with."""
        if self.base.intervals is None or self.base.sustained <= 0:
            return 1.0
        return self._enough.assured(self.base.intervals.sustainable_draws) / self.base.sustained

    def _key(self, candidate: Candidate, disturbs: Callable[[Candidate], bool]) -> _Key:
        assert candidate.prediction is not None
        short = self.shortfall(candidate)
        return (
            any(v.rule in STATED_PREFERENCES for v in candidate.violations),
            self._barred and self._below_base(candidate, short),
            disturbs(candidate),
            len({v.rule for v in candidate.violations}),
            score(
                self._objective, candidate.prediction, candidate.disruption, self._against, short
            ),
        )

    def _below_base(self, candidate: Candidate, short: float) -> bool:
        """Carries less than the plan compared with, and not enough with headroom."""
        assert candidate.prediction is not None
        pressed = pressure(candidate.prediction)
        enough = short <= 0 and pressed <= 1.0 / self._enough.load_factor
        return pressed > self._against.pressure * (1 + 1e-9) and not enough
