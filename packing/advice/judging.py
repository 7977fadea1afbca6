"""Every candidate resolution of a running topology, judged by the plan that it leads to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from packing.advice.actions import Action, ActionKind, ActionOutcome, PastAction, Timing
from packing.advice.advice import Advice
from packing.advice.moved_instance import moved
from packing.advice.observation import Observation, SymptomKind
from packing.advice.offered import offering, spout_rates
from packing.advice.rate_goal import RateGoal
from packing.advice.sizing import Sizing
from packing.advice.thread_bounds import ROUNDING
from packing.advice.trial import Trial
from packing.choose import judge
from packing.disruption import Disruption, disruption
from packing.errors import PackingError
from packing.model.demand import Needs, place
from packing.plan import Plan
from packing.request import Request
from packing.validation import violations

START_S = 10.0
"""Until a process that is started or restarted executes tuples."""
SHRINKING_MARGIN = 1.1
"""Fewer instances must carry this much more than the load with its headroom."""
RESTART_HELPS = (1.0, 1.0)
"""Times that restarting a slow instance helped and did not, before anything is known: its cause is
in the process, or it is in the machine."""
MOVE_HELPS = (3.0, 1.0)
"""The same for another container, which leaves the machine as well."""
LEAST_PROBABILITY = 0.5
"""Of clearing the symptoms by something whose cause is not known."""


class Judge:
    """One running topology, its load, and what is known of it."""

    def __init__(  # noqa: PLR0917 - what is known
        self,
        request: Request,
        goal: RateGoal,
        observation: Observation,
        past: Sequence[PastAction],
        timing: Timing,
        advice: Advice,
    ) -> None:
        """`request` has the running plan as `current`, and no changes of it."""
        assert request.current is not None
        self.request, self.goal, self.timing, self.advice = request, goal, timing, advice
        self.current: Plan = request.current
        self.running = dict(self.current.parallelism)
        self.past = past
        self.observation = observation
        self.slow = observation.slowness(self.current)
        for symptom in observation.symptoms:
            if symptom.kind is SymptomKind.SLOW_INSTANCE:
                for task in symptom.task_ids:
                    self.slow.setdefault(task, math.inf)
        self.sizing = Sizing(request, goal)
        self.now = self._trial(self.current, self.sizing.plans.request_at(self.running, None), goal)
        harmless = {SymptomKind.OVER_PROVISIONED, SymptomKind.SLOW_INSTANCE}
        self.slow_limits = not self._holds_with_slow(self.now)
        self.trouble = bool({s.kind for s in observation.symptoms} - harmless) or self.slow_limits
        """Whether something is wrong that more capacity, or less of a cause, could clear."""
        self.too_weak = _is_too_weak(self.now)

    def actions(self) -> list[Action]:
        """Every candidate; the same change once."""
        found: dict[str, Action] = {}
        for action in self._all():
            if action.fingerprint not in found:
                found[action.fingerprint] = self._with_past(action)
        return list(found.values())

    def _all(self) -> Iterator[Action]:
        yield self._nothing()
        for task in self.slow:
            yield self._restart(task)
            yield self._move(task)
        yield from self._scalings()
        yield from self._counts()

    def _trial(self, plan: Plan, request: Request, goal: RateGoal) -> Trial:
        """A plan as a trial, with its sizes as they are."""
        return Trial(request, judge("current", plan, request), goal)

    def _nothing(self) -> Action:
        now = self.now
        reasons = [_carries(now, "the running plan")]
        clears = not self.too_weak and not self.trouble
        if self.too_weak:
            reasons.append("refused: it is too weak for the load")
        elif self.trouble and not self.slow_limits:
            reasons.append(
                "refused: a symptom was observed, though nothing that is known of the load "
                "explains it"
            )
        elif self.slow_limits:
            reasons.append("refused: an instance is slow, and it limits all others")
        return self._action(
            ActionKind.DO_NOTHING, "do nothing", now, tuple(reasons), clears, plan=None
        )

    def _scalings(self) -> Iterator[Action]:
        advised = self._advised()
        if not advised:
            return
        changed = [name for name, n in advised.items() if n != self.running[name]]
        for name in changed:
            kind = (
                ActionKind.SCALE_UP if advised[name] > self.running[name] else ActionKind.SCALE_DOWN
            )
            if len(changed) > 1:
                yield self._scaled(kind, {**self.running, name: advised[name]})
        if changed:
            grown = [name for name in changed if advised[name] > self.running[name]]
            if len(changed) == 1:
                kind = ActionKind.SCALE_UP if grown else ActionKind.SCALE_DOWN
                yield self._scaled(kind, advised)
                return
            if grown and len(grown) < len(changed):
                # What is missing, without taking anything away.
                more = {name: max(n, self.running[name]) for name, n in advised.items()}
                yield self._scaled(ActionKind.SCALE_UP, more)
            yield self._scaled(ActionKind.SCALE_TO_ADVICE, advised)

    def _advised(self) -> dict[str, int]:
        """The advised parallelism, in which what shrinks would carry a little more."""
        advised = dict(self.advice.parallelism)
        if all(n >= self.running[name] for name, n in advised.items()):
            return advised
        try:
            roomy = Sizing(self.request, self._shrinking).smallest().parallelism
        except PackingError:
            roomy = self.running
        for name, n in advised.items():
            if n < self.running[name]:
                advised[name] = min(max(n, roomy[name]), self.running[name])
        return advised

    @property
    def _shrinking(self) -> RateGoal:
        return replace(self.goal, rate_per_s=self.goal.rate_per_s * SHRINKING_MARGIN)

    def _scaled(self, kind: ActionKind, parallelism: Mapping[str, int]) -> Action:
        changes = [
            f"{name} from {self.running[name]} to {n}"
            for name, n in parallelism.items()
            if n != self.running[name]
        ]
        description = f"scale {', '.join(changes)}"
        shrinks = any(n < self.running[name] for name, n in parallelism.items())
        grows = any(n > self.running[name] for name, n in parallelism.items())
        try:
            asked = Sizing(self.request, self._shrinking) if shrinks else self.sizing
            trial = asked.plans.calmest(parallelism)
        except PackingError as error:
            return self._impossible(kind, description, parallelism, str(error))
        if trial.candidate.plan is None or not trial.candidate.usable:
            return self._impossible(kind, description, parallelism, trial.candidate.failure)
        # A latency may fall with the load: it has to be kept at this one as well.
        at_load = self._at_load(trial.candidate.plan, trial.request)
        missing = self._missing(trial) or self._missing(at_load)
        holds = not missing
        reasons = [_carries(at_load, "with it the topology")]
        if missing:
            reasons.append(f"refused: {missing}")
        elif shrinks and self.trouble:
            holds = False
            reasons.append("refused: nothing is taken away while something is wrong")
        elif shrinks and self._cooling():
            holds = False
            reasons.append(
                f"refused: something grew less than {self.timing.cooldown_s:g} s ago, and what "
                "grew is not taken back at once"
            )
        elif grows and not self.too_weak and not self.trouble:
            holds = False
            reasons.append("refused: the running plan carries the load")
        elif grows and not self.too_weak and not self.slow_limits:
            holds = False
            reasons.append(
                "refused: the running plan is predicted to carry the load, so more instances are "
                "not what is missing"
            )
        return self._action(
            kind, description, at_load, tuple(reasons), holds, plan=trial.candidate.plan
        )

    def _at_load(self, plan: Plan, request: Request) -> Trial:
        """The plan at the load observed, whatever margin it was chosen with."""
        rates = spout_rates(
            self.request.topology.with_parallelism(self.running),
            self.request.profile,
            self.goal.rate_per_s,
        )
        profile = offering(self.request.profile, rates, plan.parallelism)
        return self._trial(plan, replace(request, profile=profile), self.goal)

    def _counts(self) -> Iterator[Action]:
        """The same instances in other numbers of containers, where containers are too weak."""
        limit = self.now.limits[0] if self.now.limits else None
        running = self.current.container_count
        if limit is None or limit.component is not None or self.goal.container_count is not None:
            return
        if self.request.scheduler.container_set_fixed or not self.too_weak:
            return
        trial = self.sizing.plans.calmest(self.running)
        plan = trial.candidate.plan
        if plan is None or not trial.candidate.usable or plan.container_count == running:
            return
        missing = self._missing(trial)
        reasons = [_carries(trial, "with it the topology")]
        if missing:
            reasons.append(f"refused: {missing}")
        yield self._action(
            ActionKind.CHANGE_CONTAINERS,
            f"spread over {plan.container_count} containers instead of {running}",
            trial,
            tuple(reasons),
            not missing,
            plan=plan,
        )

    def _restart(self, task: int) -> Action:
        at = int((self.current.task_id == task).argmax())
        container = int(self.current.container_ids[self.current.container[at]])
        name = self.current.component_of_task[task]
        helps = self._helped(ActionKind.RESTART_INSTANCE, RESTART_HELPS)
        return self._remedy(
            ActionKind.RESTART_INSTANCE,
            f"restart task {task} of {name} with container {container}",
            task,
            helps,
            None,
            container,
        )

    def _move(self, task: int) -> Action:
        at = int((self.current.task_id == task).argmax())
        name = self.current.component_of_task[task]
        here = int(self.current.container[at])
        best: Trial | None = None
        for to in range(self.current.container_count):
            if to == here:
                continue
            plan = moved(self.current, at, to)
            if any(v.fatal for v in violations(plan, self.request)):
                continue
            trial = self._at_load(plan, self.request)
            if trial.candidate.usable and (best is None or trial.merit > best.merit):
                best = trial
        description = f"move task {task} of {name} to another container"
        helps = self._helped(ActionKind.MOVE_INSTANCE, MOVE_HELPS)
        if best is None:
            return self._impossible(
                ActionKind.MOVE_INSTANCE, description, self.running,
                "no other container has room for it", (task,),
            )  # fmt: skip
        plan_found = best.candidate.plan
        assert plan_found is not None
        position = int((plan_found.task_id == task).argmax())
        to_id = int(plan_found.container_ids[plan_found.container[position]])
        description = f"move task {task} of {name} to container {to_id}"
        return self._remedy(ActionKind.MOVE_INSTANCE, description, task, helps, best, None)

    def _remedy(  # noqa: PLR0917 - what distinguishes the two
        self,
        kind: ActionKind,
        description: str,
        task: int,
        helps: float,
        trial: Trial | None,
        container: int | None,
    ) -> Action:
        """Something that may make a slow instance as fast as its siblings."""
        after = trial or self.now
        others = [t for t in self.slow if t != task]
        enough = not _is_too_weak(after) and self._holds_with_slow(after, others)
        probability = helps * (1.0 if enough else 0.0)
        reasons = [
            _carries(after, "with that instance as fast as its siblings the topology"),
            f"something like it helps with probability {helps:.2f}",
        ]
        clears = enough and probability >= LEAST_PROBABILITY
        if not enough:
            reasons.append("refused: the slow instance is not all that is wrong")
        elif not clears:
            reasons.append("refused: it is not likely to help")
        action = self._action(
            kind,
            description,
            after,
            tuple(reasons),
            clears,
            plan=None if trial is None else trial.candidate.plan,
            tasks=(task,),
            container=container,
        )
        return replace(action, probability=probability)

    def _missing(self, trial: Trial) -> str:
        """What a plan lacks of all that is asked for; empty if it lacks nothing."""
        goal = trial.goal
        if not trial.carries:
            more = goal.rate_per_s / self.goal.rate_per_s - 1.0
            and_more = f" and {more:.0%} more" if more > ROUNDING else ""
            return f"it is not predicted to carry the load with the headroom{and_more}"
        if not trial.let_through:
            return "the limit of pending tuples (topology.max.spout.pending) would hold spouts back"
        if not trial.in_time:
            assert goal.latency_p99_limit_s is not None
            return (
                f"its latency would be {1000 * trial.latency_p99_s:.3g} ms (99th percentile), at "
                f"most {1000 * goal.latency_p99_limit_s:.3g} are asked for"
            )
        if not trial.likely:
            return (
                f"it carries the load with probability {trial.probability:.2f} only, "
                f"{goal.demanded_probability:g} is asked for"
            )
        if not self._holds_with_slow(trial):
            return "an instance that is slow limits all others"
        return ""

    def _holds_with_slow(self, trial: Trial, slow: Sequence[int] | None = None) -> bool:
        """Whether slow instances that stay slow keep up, with what they get in a plan.

        Round robin gives a slow instance as much as the others, so it is full that much earlier.
        """
        plan = trial.candidate.plan
        if plan is None:
            return False
        prepared, costs = trial.request.prepared, trial.request.costs
        tasks = list(self.slow) if slow is None else slow
        if not tasks:
            return True
        placed = place(prepared, plan)
        busy = Needs(placed, costs, trial.request.runtime).at(1.0).thread_rising
        for task in tasks:
            at = (plan.task_id == task).nonzero()[0]
            if len(at) and float(busy[at[0]]) * self.slow[task] > 1 + ROUNDING:
                return False
        return True

    def _helped(self, kind: ActionKind, prior: tuple[float, float]) -> float:
        """Probability by Laplace's rule of succession, from the prior and what was seen."""
        outcomes = [p.outcome for p in self.past if p.kind is kind]
        yes = prior[0] + outcomes.count(ActionOutcome.HELPED)
        no = prior[1] + outcomes.count(ActionOutcome.DID_NOT_HELP)
        return yes / (yes + no)

    def _cooling(self) -> bool:
        now_s, cooldown_s = self.timing.now_s, self.timing.cooldown_s
        return any(p.grew and now_s - p.at_s < cooldown_s for p in self.past)

    def _action(  # noqa: PLR0917 - the columns of the answer
        self,
        kind: ActionKind,
        description: str,
        trial: Trial,
        reasons: tuple[str, ...],
        clears: bool,
        plan: Plan | None,
        tasks: tuple[int, ...] = (),
        container: int | None = None,
    ) -> Action:
        parallelism = self.running if plan is None else dict(plan.parallelism)
        moved = None if plan is None else disruption(plan, self.current)
        holds_slow = self._holds_with_slow(trial)
        return Action(
            kind,
            self._fingerprint(description),
            description,
            parallelism,
            tasks,
            container,
            plan,
            trial.candidate.prediction,
            moved,
            self._downtime(kind, moved),
            trial.probability if holds_slow else 0.0,
            clears,
            reasons=reasons,
        )

    def _downtime(self, kind: ActionKind, moved: Disruption | None) -> float:
        if kind is ActionKind.DO_NOTHING:
            return 0.0
        if kind is ActionKind.RESTART_INSTANCE:
            return START_S
        pause_s = self.timing.update_pause_s + self.request.constraints.deactivate_wait_s
        starts = moved is not None and (moved.started_instances or moved.restarted_instances)
        return pause_s + (START_S if starts else 0.0)

    def _impossible(
        self,
        kind: ActionKind,
        description: str,
        parallelism: Mapping[str, int],
        why: str,
        tasks: tuple[int, ...] = (),
    ) -> Action:
        return Action(
            kind,
            self._fingerprint(description),
            description,
            parallelism,
            tasks,
            reasons=(f"refused: {why}",),
        )

    def _fingerprint(self, description: str) -> str:
        state = ",".join(f"{name}={n}" for name, n in sorted(self.running.items()))
        return f"{description} | {state},containers={self.current.container_count}"

    def _with_past(self, action: Action) -> Action:
        """Refused where it was tried and did not help."""
        if action.kind is ActionKind.DO_NOTHING:
            return action
        for past in self.past:
            if past.outcome is not ActionOutcome.DID_NOT_HELP:
                continue
            if past.fingerprint == action.fingerprint and not self._is_over(past):
                return _refused(action, "it was tried from the same state and did not help")
            smaller = past.after and all(
                n <= past.after.get(name, 0) for name, n in action.parallelism.items()
            )
            shrinks = any(n < self.running[name] for name, n in action.parallelism.items())
            if smaller and shrinks and not past.grew:
                return _refused(action, "so few instances were tried before and did not do")
        return action

    def _is_over(self, past: PastAction) -> bool:
        """Whether something helped after instances that were started had not: what they were too
        few for is over, and the same state may get into other trouble."""
        return past.grew and any(
            p.outcome is ActionOutcome.HELPED and p.at_s > past.at_s for p in self.past
        )


def _is_too_weak(trial: Trial) -> bool:
    """Whether a plan does not do what is asked for even without headroom."""
    enough = trial.carried >= 1 - ROUNDING and trial.delivered >= 1 - ROUNDING
    return not (enough and trial.in_time and trial.likely)


def _refused(action: Action, why: str) -> Action:
    return replace(action, clears=False, reasons=(*action.reasons, f"refused: {why}"))


def _carries(trial: Trial, what: str) -> str:
    if not trial.candidate.usable:
        return f"{what} cannot run: {trial.candidate.failure}"
    factor = "any load" if math.isinf(trial.carried) else f"{trial.carried:.2f} times the load"
    limit = f" ({trial.limits[0].name})" if trial.limits else ""
    return f"{what} is predicted to carry {factor}{limit}"
