"""Plans of the quick planners, that show whether a parallelism can work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from packing.advice.attempt import Attempt
from packing.advice.container_counts import container_counts
from packing.advice.offered import offering
from packing.advice.rate_goal import RateGoal
from packing.advice.thread_bounds import ROUNDING
from packing.advice.trial import Trial
from packing.arrays import Floats
from packing.model.uncertainty import Truth
from packing.planners import Planner
from packing.planners.round_robin import round_robin
from packing.planners.stream_affinity import stream_affinity
from packing.request import Request

PATIENCE = 5
"""Numbers of containers in a row that carry no more, after which no other is expected to."""
LATE_PATIENCE = 3
"""The same where it is the latency or the probability that they miss."""
FEW_INSTANCES = 60
"""Up to so many, every quick planner is asked for a fresh plan; beyond, the first that has one: the
others take long, and one container more does as well."""

ANEW: Mapping[str, Planner] = {"round_robin": round_robin}
"""The quickest, which deals all instances out anew."""
QUICKEST_FIRST: Mapping[str, Planner] = {**ANEW, "stream_affinity": stream_affinity}
CALMEST_FIRST: Mapping[str, Planner] = {"stream_affinity": stream_affinity, **ANEW}
"""At an update the one that moves nothing first."""


class QuickPlans:
    """Plans for parallelisms of one request at one rate. Nothing is tried twice."""

    def __init__(
        self,
        request: Request,
        goal: RateGoal,
        rates: Mapping[str, float],
        planners: Mapping[str, Planner] = QUICKEST_FIRST,
    ) -> None:
        """`rates` are the tuples/s of each spout, all its instances together."""
        self.request, self.goal, self.rates = request, goal, rates
        self._planners = planners
        self._requests: dict[tuple[int, ...], Request] = {}
        self._tried: dict[tuple[tuple[int, ...], int | None, str], Attempt] = {}
        self._best: dict[tuple[int, ...], Trial] = {}

    @property
    def tried(self) -> int:
        """Plans that were asked for."""
        return len(self._tried)

    def best(self, parallelism: Mapping[str, int]) -> Trial:
        """The first number of containers at which a plan holds, else the one that does best."""
        key = self._key(parallelism)
        if key not in self._best:
            self._best[key] = self._first_that_holds(parallelism, self._planners)
        return self._best[key]

    def calmest(self, parallelism: Mapping[str, int]) -> Trial:
        """The same, where a plan that moves nothing is rather taken than another one."""
        if self.request.current is None or len(self._planners) == 1:
            return self.best(parallelism)
        return self._first_that_holds(parallelism, CALMEST_FIRST)

    def _first_that_holds(
        self, parallelism: Mapping[str, int], planners: Mapping[str, Planner]
    ) -> Trial:
        found: Attempt | None = None
        needless = 0
        chosen = 0
        for count in container_counts(self.request, self.goal, parallelism):
            if count is not None and count <= chosen:
                continue
            attempt = self._attempted(parallelism, count, planners)
            if found is None or attempt.merit > found.merit:
                found, needless = attempt, 0
            else:
                needless += 1
            if count is None and planners is not CALMEST_FIRST and not attempt.carries:
                # What is too weak in the number that the planner chose is mostly weaker in fewer.
                chosen = attempt.containers
            if found.holds or attempt.instances_limit:
                break
            if needless >= (LATE_PATIENCE if attempt.carries else PATIENCE):
                break
        assert found is not None
        return found.trial

    def attempt(self, parallelism: Mapping[str, int], containers: int | None) -> Attempt:
        """The best plan of the quick planners; the first that holds. None leaves the number of
        containers of an update to the planner."""
        return self._attempted(parallelism, containers, self._planners)

    def _attempted(
        self,
        parallelism: Mapping[str, int],
        containers: int | None,
        planners: Mapping[str, Planner],
    ) -> Attempt:
        current = self.request.current
        if current is not None and (containers or 0) > current.container_count:
            # To fill added containers takes moves, and looking for the fewest of them takes long.
            planners = ANEW
        many = current is None and sum(parallelism.values()) > FEW_INSTANCES
        best: Attempt | None = None
        for name, planner in planners.items():
            attempt = self._asked(name, planner, parallelism, containers)
            if best is None or attempt.merit > best.merit:
                best = attempt
            if best.holds or best.instances_limit:
                break
            if many and best.usable:
                break
        assert best is not None
        return best

    def _asked(
        self, name: str, planner: Planner, parallelism: Mapping[str, int], containers: int | None
    ) -> Attempt:
        key = (self._key(parallelism), containers, name)
        if key not in self._tried:
            request = self.request_at(parallelism, containers)
            self._tried[key] = Attempt.of(
                name, planner, request, self.goal, lambda: self._truth_of(request)
            )
        return self._tried[key]

    def request_at(self, parallelism: Mapping[str, int], containers: int | None) -> Request:
        """The request whose plans have this parallelism and number of containers."""
        key = self._key(parallelism)
        if key not in self._requests:
            self._requests[key] = self._request_at(parallelism)
        found = self._requests[key]
        if found.current is None and containers is None:
            return found
        return found.with_containers(containers)

    def _request_at(self, parallelism: Mapping[str, int]) -> Request:
        request = self.request
        profile = offering(request.profile, self.rates, parallelism)
        if request.current is None:
            return replace(
                request,
                topology=request.topology.with_parallelism(parallelism),
                profile=profile,
                containers_free=False,
            )
        running = request.current.parallelism
        return replace(
            request,
            deltas={n: p - running[n] for n, p in parallelism.items() if p != running[n]},
            container_count=None,
            profile=profile,
        )

    def threads_suffice(self, parallelism: Mapping[str, int]) -> bool:
        """Whether a plan may carry the rate with the probability asked for, as far as executing
        threads decide: they must keep up wherever they run."""
        demanded = self.goal.demanded_probability
        if demanded <= 0:
            return True
        instances = np.array([parallelism[n] for n in self.request.topology.names])
        load = self.thread_load(parallelism)
        # Shares may be uneven, and the busiest instance never gets less than the mean.
        kept_up = (load * (1 - ROUNDING) <= instances).all(axis=1)
        return float(np.mean(kept_up)) >= demanded

    def thread_load(self, parallelism: Mapping[str, int]) -> Floats:
        """`Truth.thread_load` at a parallelism."""
        known = self._truth
        if known.copies:
            known = self._truth_of(self.request_at(parallelism, None))
        return known.thread_load

    @cached_property
    def _truth(self) -> Truth:
        return self.request_at(self.request.parallelism, None).truth()

    def _truth_of(self, request: Request) -> Truth:
        return self._truth.at(request.prepared)

    def _key(self, parallelism: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(parallelism[name] for name in self.request.topology.names)
