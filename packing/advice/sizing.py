"""The smallest parallelism that carries a rate, with a plan that shows it.

The first guess is what executing threads require (`thread_bounds`). A planner makes a plan of it,
the model says what limits that plan, and what is too weak grows until the plan holds: gateways and
threads by instances, stream managers and the CPU of containers by containers, and where no more of
these help by instances, too. What has grown is then taken back, one component at a time, as far as
the plan still holds: with one instance less of any component it would not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from packing.advice.offered import check_known, offering, spout_rates
from packing.advice.rate_goal import RateGoal
from packing.advice.thread_bounds import ROUNDING, Asked, NoParallelismHelps, thread_bounds
from packing.arrays import Floats
from packing.bounds.containers import fewest_by_resource, relative_sizes
from packing.choose import Candidate, ask
from packing.constraints import DEFAULT_MAX_INSTANCES
from packing.errors import Infeasible, InvalidRequest
from packing.infeasibility import why_no_plan
from packing.model.demand import Needs, place
from packing.model.saturation import Limit
from packing.model.uncertainty import DRAWS, SEED, Intervals, spread
from packing.planners import Planner
from packing.planners.placement import resource_row
from packing.planners.round_robin import round_robin
from packing.planners.stream_affinity import stream_affinity
from packing.profile import draw_factors
from packing.request import Request
from packing.topology import Kind

GROWTH_ROUNDS = 40
"""Plans that are corrected before the search gives up."""
MORE_CONTAINERS = 1.25
"""Factor between the numbers of containers that are tried, beyond the first few."""
ONE_BY_ONE = 4
"""Containers more than the fewest that are tried one by one."""
LEAST_GAIN = 1.002
"""A correction that raises what is carried by less has not helped."""
PATIENCE = 3
"""Corrections in a row that do not help, after which nothing is expected to."""
MORE_PATIENCE = 5
"""The same for numbers of containers, while it is the load that they do not carry."""
FEW_INSTANCES = 60
"""Up to so many, every quick planner is asked for a fresh plan; beyond, the first that has one: the
others take long, and one container more does as well."""
MOST_TRIED = 200
"""Plans that one search asks for; small topologies take a few, and most large ones too."""
SPARE_STEP = 1.15
"""Spare capacity is raised by this where a latency or a probability is missed."""
MOST_SPARE = 4.0
"""Of the headroom's capacity, for a latency: with that little to do nothing queues any more."""
LEAST_LATENCY_GAIN = 1.02
"""The same as `LEAST_GAIN` for a latency, which otherwise creeps towards the clock's."""
SPARE_WIDTH = 1.02
"""Relative width at which the search for the least spare capacity ends."""
TRIMMING_ROUNDS = 4

FRESH: Mapping[str, Planner] = {"round_robin": round_robin, "stream_affinity": stream_affinity}
UPDATE: Mapping[str, Planner] = {"stream_affinity": stream_affinity, "round_robin": round_robin}
SPREAD: Mapping[str, Planner] = {"round_robin": round_robin}
"""Planners that show whether a parallelism can work: at a pack the quickest first, at an update the
one that moves nothing, and where that is not enough, or containers are added, the one that deals
all instances out anew."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A parallelism, and the best plan that was found for it."""

    request: Request
    candidate: Candidate
    goal: RateGoal

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
        candidate, request = self.candidate, self.request
        if candidate.plan is None or not candidate.usable:
            return None
        return spread(
            request.prepared,
            candidate.plan,
            draw_factors(request.profile, request.topology, DRAWS, SEED),
            request.scheduler.homogeneous,
            request.costs,
            request.runtime,
            point=candidate.prediction,
        )

    @cached_property
    def probability(self) -> float:
        """That the plan carries the rate."""
        if self.intervals is None:
            return 1.0 if self.carried >= 1 else 0.0
        return float(np.mean(self.intervals.sustainable_draws >= 1 - ROUNDING))

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


class Sizing:
    """Tries parallelisms of one request, at one rate. Nothing is tried twice."""

    def __init__(
        self,
        request: Request,
        goal: RateGoal,
        stop: Callable[[], bool] = lambda: False,
        most_tried: int = MOST_TRIED,
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
        self.rates = spout_rates(topology, request.profile, goal.rate_per_s)
        self._asked = Asked(topology, request.profile, self.rates, request.costs, request.runtime)
        self.least = {
            c.name: self.running[c.name] if c.kind is Kind.SPOUT else 1 for c in topology.components
        }
        self._tried: dict[tuple[tuple[int, ...], int | None], Trial] = {}
        self._best: dict[tuple[int, ...], Trial] = {}

    @property
    def tried(self) -> int:
        """Plans that were asked for."""
        return len(self._tried)

    @property
    def _tired(self) -> bool:
        return self.tried >= self.most_tried or self.stop()

    def at(self, goal: RateGoal, most_tried: int = MOST_TRIED) -> Sizing:
        """The same for another goal."""
        return Sizing(self.request, goal, self.stop, most_tried)

    def bounds(self, spare: float = 1.0) -> dict[str, int]:
        """What threads alone require, with `spare` times the headroom's capacity."""
        return thread_bounds(self._asked, self.goal.load_factor * spare, self.least)

    def smallest(self) -> Trial:
        """The smallest parallelism that holds.

        Raises NoParallelismHelps naming the limit when none does, Infeasible when instances find no
        place, InvalidRequest as `Request` does.
        """
        return self._trimmed(self._grown())

    def best(self, parallelism: Mapping[str, int]) -> Trial:
        """The first number of containers at which a plan holds, else the one that carries most."""
        key = self._key(parallelism)
        if key not in self._best:
            found: Trial | None = None
            needless = 0
            for count in self._container_counts(parallelism):
                trial = self.trial(parallelism, count)
                better = found is None or trial.merit > found.merit
                if found is None or better:
                    found = trial
                needless = 0 if better else needless + 1
                if found.holds or self._instances_limit(trial):
                    break
                if needless >= (PATIENCE if trial.carries else MORE_PATIENCE):
                    break
            assert found is not None
            self._best[key] = found
        return self._best[key]

    def trial(self, parallelism: Mapping[str, int], containers: int | None) -> Trial:
        """The best plan of the quick planners; the first that holds. None leaves the number of
        containers of an update to the planner."""
        key = (self._key(parallelism), containers)
        if key not in self._tried:
            self._tried[key] = self._try(parallelism, containers)
        return self._tried[key]

    def request_at(self, parallelism: Mapping[str, int], containers: int | None) -> Request:
        """The request whose plans have this parallelism and number of containers."""
        request = self.request
        profile = offering(request.profile, self.rates, parallelism)
        if request.current is None:
            count = request.constraints.container_count if containers is None else containers
            return replace(
                request,
                topology=request.topology.with_parallelism(parallelism),
                constraints=replace(request.constraints, container_count=count),
                profile=profile,
                containers_free=False,
            )
        running = request.current.parallelism
        return replace(
            request,
            deltas={n: p - running[n] for n, p in parallelism.items() if p != running[n]},
            container_count=containers,
            profile=profile,
        )

    def _key(self, parallelism: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(parallelism[name] for name in self.request.topology.names)

    def _try(self, parallelism: Mapping[str, int], containers: int | None) -> Trial:
        request = self.request_at(parallelism, containers)
        best: Trial | None = None
        for name, planner in self._planners(containers).items():
            trial = Trial(request, ask(name, planner, request), self.goal)
            if best is None or trial.merit > best.merit:
                best = trial
            many = sum(parallelism.values()) > FEW_INSTANCES and request.current is None
            if best.holds or self._instances_limit(best) or (many and best.candidate.usable):
                break
        assert best is not None
        return best

    def _planners(self, containers: int | None) -> Mapping[str, Planner]:
        current = self.request.current
        if current is None:
            return FRESH
        # To fill added containers takes moves, and looking for the fewest of them takes long.
        added = containers is not None and containers > current.container_count
        return SPREAD if added else UPDATE

    def _instances_limit(self, trial: Trial) -> bool:
        """Whether an instance is too weak, which a placement changes little."""
        if not trial.limits or trial.limits[0].component is None:
            return False
        if "gateway" in trial.limits[0].name and not trial.carries:
            return False  # fewer senders in a container make larger packets
        return not trial.carries or (trial.in_time and not trial.likely)

    def _container_counts(self, parallelism: Mapping[str, int]) -> Iterator[int | None]:
        """Numbers of containers to try, the fewest first."""
        request, instances = self.request, sum(parallelism.values())
        if self.goal.container_count is not None:
            if self.goal.container_count > instances:
                raise InvalidRequest(
                    f"{self.goal.container_count} containers were asked for, and {instances} "
                    "instances carry the rate; ask for as many containers at most"
                )
            yield self.goal.container_count
            return
        fewest = self._fewest_containers(parallelism)
        if request.current is not None:
            fixed = request.scheduler.container_set_fixed
            running = request.current.container_count
            if instances < request.current.instance_count and not fixed:
                yield from range(fewest, min(running, fewest + ONE_BY_ONE))
            yield None
            if fixed:
                return
            fewest = max(fewest, running + 1)
        for step in range(ONE_BY_ONE):
            if fewest + step <= instances:
                yield fewest + step
        count = fewest + ONE_BY_ONE
        while count < instances:
            yield count
            count = max(count + 1, math.ceil(count * MORE_CONTAINERS))
        if fewest + ONE_BY_ONE <= instances:
            yield instances

    def _fewest_containers(self, parallelism: Mapping[str, int]) -> int:
        """By the stated size of a container; without one no container gets more instances than in
        the topology as it was submitted, or than Heron plans for (AbstractPacking: 10)."""
        request, constraints = self.request, self.request.constraints
        supply = np.array([parallelism[name] for name in request.topology.names])
        needs: Floats = np.array(
            [resource_row(constraints.instance(name)) for name in request.topology.names]
        )
        stated = [math.inf if s is None else float(s) for s in constraints.stated_container]
        usable = np.array(stated) - resource_row(constraints.padding)
        most: float = math.inf if constraints.max_instances is None else constraints.max_instances
        if constraints.stated_container[:2] == (None, None) and constraints.max_instances is None:
            submitted = request.topology.instance_count / constraints.container_count
            most = max(DEFAULT_MAX_INSTANCES, math.ceil(submitted))
        found = float(fewest_by_resource(supply, relative_sizes(needs, usable, most)).max())
        if math.isinf(found):
            constraints.check_fits_a_container(request.topology.names)
            return 1
        return max(1, min(int(found), int(supply.sum())))

    def _grown(self) -> Trial:
        """A parallelism that holds; what is too weak grows, and what helps nothing is named."""
        spare, needless = 1.0, 0
        parallelism = self.bounds()
        best: Trial | None = None
        for _ in range(GROWTH_ROUNDS):
            trial = self.best(parallelism)
            if trial.holds:
                return trial if spare == 1.0 else self._least_spare(spare, trial)
            if not trial.candidate.usable:
                raise Infeasible(why_no_plan(trial.request) or trial.candidate.failure)
            late = best is not None and best.carries and not best.in_time
            least = LEAST_LATENCY_GAIN if late else LEAST_GAIN
            gained = best is None or self._gain(trial, best) >= least
            needless = 0 if gained else needless + 1
            if gained:
                best = trial
            if needless >= PATIENCE or (late and spare >= MOST_SPARE):
                break
            if self._tired:
                assert best is not None
                raise Infeasible(
                    f"no parallelism was found after {self.tried} plans; the best one, of "
                    f"{sum(parallelism.values())} instances, carries {best.carried:.2f} times the "
                    f"rate, and {self.goal.load_factor:.2f} are asked for"
                )
            if trial.carries and trial.let_through:
                spare *= max(SPARE_STEP, self._missing(trial))
                raised = self.bounds(spare)
            else:
                raised = self._raised(trial)
            parallelism = {name: max(n, raised[name]) for name, n in parallelism.items()}
        assert best is not None
        raise self._stuck(best)

    def _least_spare(self, high: float, trial: Trial) -> Trial:
        """The plan with the least spare capacity that holds, alike for all components."""
        low = 1.0
        while high / low > SPARE_WIDTH and not self._tired:
            middle = math.sqrt(low * high)
            fewer = self._best_or_none(self.bounds(middle))
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
        if trial.likely or trial.intervals is None:
            return 1.0
        tail = 1.0 - trial.goal.demanded_probability
        drawn = trial.intervals.sustainable_draws
        low = float(np.quantile(drawn, tail, method="inverted_cdf"))
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
        for limit in [] if of_instances else weak:
            short = limit.factor / self.goal.load_factor
            name = self._heaviest(trial, limit)
            raised[name] = max(raised[name], self._more(trial, name, short))
        # More readers of ALL streams make more work.
        return thread_bounds(self._asked, self.goal.load_factor, raised)

    @staticmethod
    def _more(trial: Trial, name: str, short: float) -> int:
        running = trial.parallelism[name]
        return max(running + 1, min(2 * running, math.ceil(running / max(short, 1e-3))))

    def _heaviest(self, trial: Trial, limit: Limit) -> str:
        """The component with the instance that takes most of what is short in a container."""
        plan, request = trial.candidate.plan, trial.request
        assert plan is not None
        placed = place(request.prepared, plan)
        if "CPU" in limit.name:
            factor = self.goal.load_factor
            needs = Needs(placed, request.costs, request.runtime).at(factor)
            load = needs.instance_fixed + factor * needs.instance_rising
        else:
            rates = request.prepared.rates.input_per_s + request.prepared.emit_per_s
            load = rates[plan.component] * placed.share
        if limit.container is not None:
            load = np.where(plan.container_ids[plan.container] == limit.container, load, -1.0)
        return request.topology.names[int(plan.component[int(load.argmax())])]

    def _stuck(self, trial: Trial) -> NoParallelismHelps:
        """Why more instances did not help."""
        goal = self.goal
        if not trial.carries:
            limit = trial.limits[0].name if trial.limits else "nothing that is known"
            fixed = ""
            if goal.container_count is not None:
                fixed = f" with {_counted(goal.container_count, 'container')}"
            return NoParallelismHelps(
                f"no parallelism helps{fixed}: {limit} limits the load to "
                f"{trial.carried * goal.rate_per_s:,.0f} tuples/s, or "
                f"{trial.carried * goal.rate_per_s / goal.load_factor:,.0f} with the headroom, and "
                "more instances do not raise it",
                trial.carried / goal.load_factor,
            )
        if not trial.let_through:
            return NoParallelismHelps(
                "no parallelism helps: the limit of pending tuples "
                "(topology.max.spout.pending) holds spouts back; raise it",
                trial.delivered,
            )
        if not trial.in_time:
            assert goal.latency_p99_limit_s is not None
            return NoParallelismHelps(
                f"no parallelism brings the latency below {1000 * trial.latency_p99_s:.3g} ms "
                f"(99th percentile), {1000 * goal.latency_p99_limit_s:.3g} ms were asked for; "
                "stream managers send on their clock, however little there is to do"
            )
        return NoParallelismHelps(
            f"no parallelism carries the rate with probability {goal.demanded_probability:g}: "
            f"{trial.probability:.2f} is reached; what is known of the load is too vague, or ask "
            "for a lower probability"
        )

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
        # Fewer instances may do with fewer containers.
        return self.best(trial.parallelism)

    def _fewest_of(self, name: str, least: int, trial: Trial) -> Trial:
        """By halves between a number that holds and one that does not."""
        parallelism = trial.parallelism
        low, high = least - 1, parallelism[name]
        while high - low > 1 and not self._tired:
            # Mostly nothing can be taken away: look there first.
            middle = high - 1 if high == parallelism[name] else (low + high) // 2
            fewer = self._with_less(trial, {**parallelism, name: middle})
            if fewer is not None and fewer.holds:
                trial, high = fewer, middle
            else:
                low = middle
        return trial

    def _with_less(self, trial: Trial, parallelism: Mapping[str, int]) -> Trial | None:
        """In as many containers as before; in any number where it is the load that these miss."""
        request = trial.request
        count = request.container_count
        if request.current is None:
            count = min(request.constraints.container_count, sum(parallelism.values()))
        same = self.trial(parallelism, count)
        if same.holds or (same.carries and same.let_through):
            return same
        return self._best_or_none(parallelism)

    def _best_or_none(self, parallelism: Mapping[str, int]) -> Trial | None:
        try:
            return self.best(parallelism)
        except (Infeasible, InvalidRequest):
            return None


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
