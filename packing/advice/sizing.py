"""The smallest parallelism that carries a rate, with a plan that shows it.

The first guess is what executing threads require (`thread_bounds`). A planner makes a plan of it,
the model says what limits that plan, and what is too weak grows until the plan holds: gateways and
threads by instances, stream managers and the CPU of containers by containers, and where no more of
these help by instances, too. What has grown is then taken back, one component at a time, as far as
the plan still holds: with one instance less of any component it would not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from packing.advice.no_help import no_parallelism_helps
from packing.advice.offered import check_known, spout_rates
from packing.advice.quick_plans import ANEW, QUICKEST_FIRST, QuickPlans
from packing.advice.rate_goal import RateGoal
from packing.advice.thread_bounds import ROUNDING, Asked, likely_bounds, thread_bounds
from packing.advice.trial import Trial
from packing.errors import Infeasible, InvalidRequest
from packing.infeasibility import why_no_plan
from packing.model.demand import Needs, place
from packing.model.saturation import STREAM_MANAGER_CORES, quotas
from packing.model.uncertainty import DRAWS
from packing.planners import Planner
from packing.request import Request
from packing.topology import MAX_INSTANCES, Kind

GROWTH_ROUNDS = 40
"""Plans that are corrected before the search gives up."""
PATIENCE = 3
"""Corrections in a row that do not help, after which nothing is expected to."""
LEAST_GAIN = 1.002
"""A correction that raises what is carried by less has not helped."""
MOST_TRIED = 200
"""Plans that one search asks for; small topologies take a few, and most large ones too."""
SPARE_STEP = 1.15
"""Spare capacity is raised by this where a latency or a probability is missed, then by its square,
its cube and so on."""
LEAST_MISSED = 0.02
"""Likelihood that is added at least where the probability is missed."""
SURE = 1.0 - 1.5 / DRAWS
"""More is not told apart."""
MOST_SPARE = 10.0
"""Of the headroom's capacity, for a latency: with that little to do hardly anything queues."""
LEAST_LATENCY_GAIN = 1.02
"""The same as `LEAST_GAIN` for a latency, which otherwise creeps towards the clock's."""
FEW_INSTANCES = 20
"""Up to so many, fewer are looked for in any number of containers."""
SPARE_WIDTH = 1.02
"""Relative width at which the search for the least spare capacity ends."""
TRIMMING_ROUNDS = 4


class Sizing:
    """Tries parallelisms of one request, at one rate."""

    def __init__(
        self,
        request: Request,
        goal: RateGoal,
        stop: Callable[[], bool] = lambda: False,
        most_tried: int = MOST_TRIED,
        planners: Mapping[str, Planner] = QUICKEST_FIRST,
    ) -> None:
        """`request` gives topology, constraints, scheduler, load, costs, and what runs, if anything
        does; spouts keep at least the parallelism that they have there. Once `stop` says so, or
        after so many plans, nothing more is taken away. Raises InvalidRequest where service times
        are not known."""
        check_known(request.topology, request.profile)
        self.request = request
        self.goal = goal
        self.stop = stop
        self.most_tried = most_tried
        self.running: dict[str, int] = dict(request.parallelism)
        topology = request.topology.with_parallelism(self.running)
        rates = spout_rates(topology, request.profile, goal.rate_per_s)
        self.plans = QuickPlans(request, goal, rates, planners)
        """Those that were tried."""
        self._asked = Asked(topology, request.profile, rates, request.costs, request.runtime)
        self.least = {
            c.name: self.running[c.name] if c.kind is Kind.SPOUT else 1 for c in topology.components
        }

    @property
    def _tired(self) -> bool:
        return self.plans.tried >= self.most_tried or self.stop()

    @property
    def _content(self) -> bool:
        """Whether what is left to take away is not worth more plans."""
        return self.plans.tried >= self.most_tried / 2 or self.stop()

    def at(self, goal: RateGoal, most_tried: int = MOST_TRIED) -> Sizing:
        """The same for another goal, roughly: what moves is not looked at."""
        planners = QUICKEST_FIRST if self.request.current is None else ANEW
        return Sizing(self.request, goal, self.stop, most_tried, planners)

    def bounds(self, spare: float = 1.0, likelihood: float | None = None) -> dict[str, int]:
        """What threads alone require, with `spare` times the headroom's capacity where that can be
        had, and at `spare` times the rate with a likelihood: if not given, the probability asked
        for."""
        found = thread_bounds(self._asked, self.goal.load_factor, self.least, spare)
        if likelihood is None:
            likelihood = self.goal.demanded_probability
        if likelihood > 0:
            load = spare * self.plans.thread_load(found)
            found = likely_bounds(self._asked, load, likelihood, found)
        return found

    def smallest(self) -> Trial:
        """The smallest parallelism that holds.

        Raises NoParallelismHelps naming the limit when none does, Infeasible when instances find no
        place, InvalidRequest as `Request` does.
        """
        return self._trimmed(self._grown())

    def _grown(self) -> Trial:
        """A parallelism that holds; what is too weak grows, and what helps nothing is named."""
        spare, spared, needless = 1.0, 0, 0
        likelihood = self.goal.demanded_probability
        parallelism = carrying = self.bounds()
        self._refuse_too_many(parallelism)
        best: Trial | None = None
        closest: Trial | None = None
        for _ in range(GROWTH_ROUNDS):
            trial = self.plans.best(parallelism)
            if trial.holds:
                return trial if spare == 1.0 else self._least_spare(spare, carrying, trial)
            if not trial.candidate.usable:
                raise Infeasible(why_no_plan(trial.request) or trial.candidate.failure)
            late = best is not None and best.carries and not best.in_time
            least = LEAST_LATENCY_GAIN if late else LEAST_GAIN
            gained = best is None or self._gain(trial, best) >= least
            needless = 0 if gained else needless + 1
            if gained:
                best = trial
            if closest is None or (
                trial.carries >= closest.carries and self._gain(trial, closest) > 1.0
            ):
                closest = trial
            if needless >= PATIENCE or (late and spare >= MOST_SPARE):
                break
            if self._tired:
                assert best is not None
                raise Infeasible(
                    f"no parallelism was found after {self.plans.tried} plans; the best one, of "
                    f"{sum(parallelism.values())} instances, carries {best.carried:.2f} times the "
                    f"rate, and {self.goal.load_factor:.2f} are asked for"
                )
            if trial.carries and trial.let_through and trial.in_time and likelihood < SURE:
                # Threads first: what containers spoil comes on top.
                missed = self.goal.demanded_probability - trial.probability
                likelihood = min(likelihood + max(missed, LEAST_MISSED), SURE)
                parallelism = _at_least(parallelism, self.bounds(spare, likelihood))
            elif trial.carries and trial.let_through:
                raising = True
                while raising:
                    spared += 1
                    spare *= max(SPARE_STEP**spared, self._missing(trial))
                    parallelism = _at_least(parallelism, self.bounds(spare, likelihood))
                    # A little spare capacity may be there already, in all components.
                    same = parallelism == trial.parallelism
                    raising = same and not trial.in_time and spare < MOST_SPARE
            else:
                parallelism = _at_least(parallelism, self._raised(trial))
                carrying = parallelism if spare == 1.0 else carrying
        assert closest is not None
        raise no_parallelism_helps(closest)

    def _refuse_too_many(self, parallelism: Mapping[str, int]) -> None:
        total = sum(parallelism.values())
        if total > MAX_INSTANCES:
            most = max(parallelism, key=lambda name: parallelism[name])
            raise InvalidRequest(
                f"{self.goal.rate_per_s:,.10g} tuples/s take {total:,} instances or more "
                f"({parallelism[most]:,} of {most!r}), and more than {MAX_INSTANCES:,} are not "
                "planned; check the rate and the times per tuple"
            )

    def _least_spare(self, high: float, carrying: Mapping[str, int], trial: Trial) -> Trial:
        """The plan with the least spare capacity that holds, alike for all components; none gets
        fewer instances than in a parallelism that carries the load."""
        low = 1.0
        while high / low > SPARE_WIDTH and not self._tired:
            middle = math.sqrt(low * high)
            fewer = self._with_less(trial, _at_least(carrying, self.bounds(middle)))
            if fewer is not None and fewer.holds:
                trial, high = fewer, middle
            else:
                low = middle
        return trial

    @staticmethod
    def _gain(trial: Trial, best: Trial) -> float:
        """How much better a trial is in what was missed, as a ratio."""
        if not best.carries:
            return trial.carried / best.carried if best.carried > 0 else math.inf
        if not best.let_through:
            return trial.delivered / best.delivered if best.delivered > 0 else math.inf
        if not best.in_time:
            return best.latency_p99_s / trial.latency_p99_s
        return math.inf if trial.probability > best.probability else 1.0

    def _missing(self, trial: Trial) -> float:
        """By how much more must be carried for the probability asked for."""
        if trial.likely or trial.sustainable_draws is None:
            return 1.0
        tail = 1.0 - trial.goal.demanded_probability
        low = float(np.quantile(trial.sustainable_draws, tail, method="inverted_cdf"))
        return 1.0 / low if low > 0 else 2.0

    def _raised(self, trial: Trial) -> dict[str, int]:
        """Components with a limit that is too weak get as many instances more as it is short of."""
        raised = trial.parallelism
        if not trial.let_through:
            for component in self.request.topology.components:
                if component.kind is Kind.SPOUT:
                    raised[component.name] = self._more(trial, component.name, trial.delivered)
            return raised
        weak = [x for x in trial.limits if x.factor < self.goal.load_factor * (1 - ROUNDING)]
        of_instances = [limit for limit in weak if limit.component is not None]
        for limit in of_instances:
            assert limit.component is not None
            short = limit.factor / self.goal.load_factor
            raised[limit.component] = self._more(trial, limit.component, short)
        if weak and not of_instances:
            for name in self._heaviest(trial):
                raised[name] += 1
            name = self._heaviest(trial)[0]
            raised[name] = max(
                raised[name], self._more(trial, name, weak[0].factor / self.goal.load_factor)
            )
        # More readers of ALL streams make more work.
        return thread_bounds(self._asked, self.goal.load_factor, raised)

    @staticmethod
    def _more(trial: Trial, name: str, short: float) -> int:
        running = trial.parallelism[name]
        return max(running + 1, min(2 * running, math.ceil(running / max(short, 1e-3))))

    def _heaviest(self, trial: Trial) -> list[str]:
        """The components whose instances take most of each container that is too weak, of its CPU
        or of its stream manager; those of the weakest container first."""
        plan, request = trial.candidate.plan, trial.request
        assert plan is not None
        placed = place(request.prepared, plan)
        factor = self.goal.load_factor
        needs = Needs(placed, request.costs, request.runtime).at(factor)
        cores = plan.granted_by(request.scheduler.homogeneous)[:, 0]
        quota = quotas(placed, request.runtime, cores)
        rates = request.prepared.rates.input_per_s + request.prepared.emit_per_s
        burdens = (
            needs.instance_fixed + factor * needs.instance_rising,
            rates[plan.component] * placed.share,
        )
        over = needs.cores_at(factor) / np.stack((quota, np.full_like(quota, STREAM_MANAGER_CORES)))
        found: dict[str, None] = {}
        for at in np.argsort(-over, axis=None).tolist():
            row, container = divmod(at, plan.container_count)
            if found and over[row, container] <= 1.0:
                break
            load = np.where(plan.container == container, burdens[row], -1.0)
            found[request.topology.names[int(plan.component[int(load.argmax())])]] = None
        return list(found)

    def _trimmed(self, trial: Trial) -> Trial:
        """Instances taken away, component by component, as long as the plan holds."""
        bounds = self.bounds()
        cpu = self.request.constraints.instance
        order = sorted(trial.parallelism, key=lambda name: -cpu(name).cpu_cores)
        for _ in range(TRIMMING_ROUNDS):
            before = trial.parallelism
            for name in order:
                trial = self._fewest_of(name, bounds[name], trial)
            if trial.parallelism == before:
                break
        # Fewer instances may do with fewer containers; but not every number of them is looked at.
        fewest = self.plans.calmest(trial.parallelism)
        return fewest if fewest.holds else trial

    def _fewest_of(self, name: str, least: int, trial: Trial) -> Trial:
        """By halves between a number that holds and one that does not."""
        parallelism = trial.parallelism
        low, high = least - 1, parallelism[name]
        while high - low > 1 and not self._content:
            # Mostly nothing can be taken away: look there first.
            middle = high - 1 if high == parallelism[name] else (low + high) // 2
            fewer = self._with_less(trial, {**parallelism, name: middle})
            if fewer is not None and fewer.holds:
                trial, high = fewer, middle
            else:
                low = middle
        return trial

    def _with_less(self, trial: Trial, parallelism: Mapping[str, int]) -> Trial | None:
        """In as many containers as before; in any number where it is the load that these miss, and
        of few instances in any case."""
        if not self.plans.threads_suffice(parallelism):
            return None
        request = trial.request
        count = request.container_count
        if request.current is None:
            count = min(request.constraints.container_count, sum(parallelism.values()))
        same = self.plans.attempt(parallelism, count)
        many = sum(parallelism.values()) > FEW_INSTANCES
        if same.holds or (many and same.carries and same.trial.let_through):
            return same.trial
        try:
            return self.plans.best(parallelism)
        except (Infeasible, InvalidRequest):
            return None


def _at_least(parallelism: Mapping[str, int], least: Mapping[str, int]) -> dict[str, int]:
    return {name: max(n, least[name]) for name, n in parallelism.items()}
