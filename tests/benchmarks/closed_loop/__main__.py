"""Health policies compared: `python -m tests.benchmarks.closed_loop [CASES]`.

Heron's own rule, DS2's and ours on the published word count, on random topologies that start with
one instance of everything, and through a day of varying load: updates and time until the
topology is healthy, instances at the end, time in back-pressure, tuples held by updates, and
oscillations: a component made smaller and then larger again (or the other way) within an hour while
the load changed by less than a tenth.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tests.benchmarks.model_against_simulation import costs_of

from .cases import day, declared, random_world, word_count
from .ours import Judged
from .rules import Ds2, Plain, Rule
from .world import INTERVAL_S, World

INTERVALS = 30
SETTLED = 6
"""Healthy intervals without an update after which a world with constant load has no more news."""
DAYS_S = 86400.0
DAY_INTERVALS = 5
"""Intervals that pass per step of a day: load varies slowly."""
OSCILLATION_S = 3600.0
SAME_LOAD = 0.1


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


def rules(world: World, seed: int) -> dict[str, Rule]:
    """The rules, each with what it may know of `world`."""
    known = declared(world.profile, np.random.default_rng(seed))
    return {
        "Heron's rule": Plain(world.topology),
        "DS2": Ds2(world.topology, known),
        "judged": Judged(world.topology, known, costs_of(world.mechanics), world.mechanics),
    }


def run(world: World, rule: Rule, until_s: float, settled: int = SETTLED) -> Run:
    """Let the rule watch over the world, until nothing happened `settled` times."""
    healthy_after_s, healthy = float("inf"), False
    loads: list[tuple[float, float]] = []
    plans = [(0.0, dict(world.plan.parallelism))]
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
            plans.append((world.now_s, dict(plan.parallelism)))
    return Run(
        healthy, len(world.updates), healthy_after_s if healthy else float("inf"),
        world.plan.instance_count, world.back_pressure_s, world.tuples_held,
        _oscillations(plans, loads), world.instance_seconds / 3600.0,
    )  # fmt: skip


def _oscillations(
    plans: list[tuple[float, dict[str, int]]], loads: list[tuple[float, float]]
) -> int:
    """Changes of a component that undo part of the one before, without a reason in the load."""
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


def compare(
    make: Callable[[], World], seed: int, until_s: float, settled: int = SETTLED
) -> dict[str, Run]:
    """Every rule on a world of its own."""
    return {name: run(make(), rule, until_s, settled) for name, rule in rules(make(), seed).items()}


def main() -> None:
    """Print the tables."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(
        "word count of Dhalion and DS2 (published: Heron's rule 6 updates, 22/30; DS2 1, 10/20)\n"
    )
    _table(
        {name: [found] for name, found in compare(word_count, 0, INTERVALS * INTERVAL_S).items()}
    )
    every: dict[str, list[Run]] = {}
    for number in range(cases):

        def make(number: int = number) -> World:
            return random_world(np.random.default_rng(number), number)

        for name, found in compare(make, number, INTERVALS * INTERVAL_S).items():
            every.setdefault(name, []).append(found)
    print(f"\n{cases} random topologies, from one instance each\n")
    _table(every)
    days: dict[str, list[Run]] = {}
    for number in range(2):

        def varying(number: int = number) -> World:
            world = random_world(np.random.default_rng(number), number)
            world.offered = day
            world.passes_s = DAY_INTERVALS * INTERVAL_S
            return world

        for name, found in compare(varying, number, DAYS_S, sys.maxsize).items():
            days.setdefault(name, []).append(found)
    print("\ntwo topologies through a day of varying load\n")
    _table(days)


def _table(every: dict[str, list[Run]]) -> None:
    print(
        "| rule | healthy | within 2 updates | updates, mean | until healthy s, median "
        "| instances at the end | back-pressure s | tuples held | oscillations | instance hours |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, runs in every.items():

        def mean(of: Callable[[Run], float], runs: list[Run] = runs) -> float:
            return float(np.mean([of(r) for r in runs]))

        print(
            f"| {name} | {mean(lambda r: r.healthy):.0%} "
            f"| {mean(lambda r: r.healthy and r.updates <= 2):.0%} "
            f"| {mean(lambda r: r.updates):.1f} "
            f"| {float(np.median([r.healthy_after_s for r in runs])):.0f} "
            f"| {mean(lambda r: r.instances):.1f} | {mean(lambda r: r.back_pressure_s):.0f} "
            f"| {mean(lambda r: r.tuples_held):.0f} | {sum(r.oscillations for r in runs)} "
            f"| {mean(lambda r: r.instance_hours):.1f} |"
        )  # fmt: skip


if __name__ == "__main__":
    main()
