"""A rule watches over a world: what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from packing.plan import Plan

from .observation import Observation

SETTLED = 6
"""Healthy intervals without an update after which a world with constant load has no more news."""
OSCILLATION_S = 3600.0
SAME_LOAD = 0.1


class World(Protocol):
    """A topology that runs, whatever it runs in."""

    plan: Plan
    now_s: float
    back_pressure_s: float
    tuples_held: float
    """Tuples that were due while an update stood in the way."""
    instance_seconds: float

    def interval(self) -> Observation:
        """Let one interval pass and tell what was seen."""
        ...

    def update(self, plan: Plan) -> None:
        """Deploy another plan."""
        ...


class Rule(Protocol):
    """A health policy."""

    def decide(self, seen: Observation) -> Plan | None:
        """The plan to deploy, None to leave everything as it is."""
        ...


@dataclass(frozen=True)
class Run:
    """What a rule made of a world."""

    healthy: bool
    updates: int
    healthy_after_s: float
    instances: int
    back_pressure_s: float
    tuples_held: float
    oscillations: int
    instance_hours: float


def watch(world: World, rule: Rule, until_s: float, settled: int = SETTLED) -> Run:
    """Let the rule watch over the world, until nothing happened `settled` times."""
    healthy_after_s, healthy = float("inf"), False
    loads: list[tuple[float, float]] = []
    plans = [(0.0, world.plan.parallelism)]
    quiet = 0
    while world.now_s < until_s and quiet < settled:
        seen = world.interval()
        loads.append((seen.now_s, seen.offered_factor))
        if seen.healthy and not healthy:
            healthy_after_s = seen.now_s
        healthy = seen.healthy
        quiet = quiet + 1 if healthy else 0
        plan = rule.decide(seen)
        if plan is not None and plan != world.plan:
            world.update(plan)
            quiet = 0
            plans.append((world.now_s, plan.parallelism))
    return Run(
        healthy, len(plans) - 1, healthy_after_s if healthy else float("inf"),
        world.plan.instance_count, world.back_pressure_s, world.tuples_held,
        oscillations(plans, loads), world.instance_seconds / 3600.0,
    )  # fmt: skip


def oscillations(
    plans: Sequence[tuple[float, Mapping[str, int]]], loads: Sequence[tuple[float, float]]
) -> int:
    """Changes of a component that undo part of the one before, without a reason in the load.

    `plans` are the parallelisms by the time in seconds at which they were deployed, `loads` what
    was offered at which time.
    """
    found = 0
    times, factors = (np.array(column) for column in zip(*loads, strict=True))
    for name in plans[0][1]:
        last_s, direction = -np.inf, 0
        for (_, before), (at_s, after) in pairwise(plans):
            step = int(np.sign(after[name] - before[name]))
            if not step:
                continue
            if step == -direction and at_s - last_s < OSCILLATION_S:
                between = factors[(times >= last_s) & (times <= at_s)]
                found += bool(np.ptp(between) < SAME_LOAD * between.max()) if len(between) else 1
            last_s, direction = at_s, step
    return found
