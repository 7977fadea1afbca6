"""A parallelism with a plan, held against what is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from packing.advice.rate_goal import RateGoal
from packing.advice.thread_bounds import ROUNDING
from packing.arrays import Floats
from packing.candidate import Candidate
from packing.model.saturation import Limit
from packing.model.uncertainty import Intervals, Truth
from packing.request import Request


@dataclass(frozen=True, eq=False)
class Trial:
    """A parallelism, and the best plan that was found for it."""

    request: Request
    candidate: Candidate
    goal: RateGoal
    known_truth: Callable[[], Truth] | None = None
    """What may be true of the topology, where somebody has that already."""

    @property
    def parallelism(self) -> dict[str, int]:
        """Instances per component."""
        return dict(self.request.parallelism)

    @property
    def carried(self) -> float:
        """Sustainable load over the rate; 0 without a plan, infinite where nothing limits."""
        prediction = self.candidate.prediction
        if prediction is None or not self.candidate.usable:
            return 0.0
        factor = prediction.sustainable_load_factor
        return math.inf if factor is None else factor

    @cached_property
    def delivered(self) -> float:
        """Part of the rate that gets through."""
        prediction = self.candidate.prediction
        if prediction is None or prediction.delivered_load_factor is None:
            return 0.0
        return prediction.delivered_load_factor

    @property
    def limits(self) -> tuple[Limit, ...]:
        """What is too weak or weakest, weakest first."""
        prediction = self.candidate.prediction
        return () if prediction is None else prediction.limits

    @cached_property
    def intervals(self) -> Intervals | None:
        """What the plan does under every draw of what the truth may be."""
        candidate = self.candidate
        if candidate.plan is None or not candidate.usable:
            return None
        homogeneous = self.request.scheduler.homogeneous
        return self._truth.spread(candidate.plan, homogeneous, candidate.prediction)

    @cached_property
    def sustainable_draws(self) -> Floats | None:
        """Load over the rate that the plan sustains, per draw; None where nothing is said."""
        candidate = self.candidate
        if candidate.plan is None or candidate.prediction is None or not candidate.usable:
            return None
        homogeneous = self.request.scheduler.homogeneous
        return self._truth.sustainable_draws(candidate.plan, homogeneous, candidate.prediction)

    @cached_property
    def _truth(self) -> Truth:
        return self.request.truth() if self.known_truth is None else self.known_truth()

    @cached_property
    def probability(self) -> float:
        """That the plan carries the rate."""
        if self.sustainable_draws is None:
            return 1.0 if self.carried >= 1 else 0.0
        return float(np.mean(self.sustainable_draws >= 1 - ROUNDING))

    @property
    def carries(self) -> bool:
        """The rate with its headroom, as predicted."""
        return self.carried >= self.goal.load_factor * (1 - ROUNDING)

    @property
    def latency_p99_s(self) -> float:
        """Infinite where it is not known."""
        prediction = self.candidate.prediction
        if prediction is None or prediction.latency is None:
            return math.inf
        return prediction.latency.p99_s

    @property
    def in_time(self) -> bool:
        """Whether the limit of the latency is kept."""
        limit = self.goal.latency_p99_limit_s
        return limit is None or self.latency_p99_s <= limit

    @property
    def let_through(self) -> bool:
        """Whether no limit of pending tuples holds spouts back."""
        return self.delivered >= 1 - ROUNDING or self.carried < 1

    @property
    def likely(self) -> bool:
        """Whether the rate is carried with the probability asked for."""
        demanded = self.goal.demanded_probability
        return demanded <= 0 or self.probability >= demanded

    @cached_property
    def holds(self) -> bool:
        """Whether the plan does all that is asked for."""
        return self.carries and self.let_through and self.in_time and self.likely

    @property
    def merit(self) -> tuple[bool, bool, float]:
        """Higher is better."""
        enough = self.carries and self.let_through
        missed = self.goal.latency_p99_limit_s is not None and enough and not self.in_time
        return self.holds, enough, -self.latency_p99_s if missed else self.carried
