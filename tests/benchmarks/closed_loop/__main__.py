"""Health policies compared: `python -m tests.benchmarks.closed_loop [CASES] [--jobs N]`.

Heron's own rule, DS2's and ours on the published word count, on random topologies that start with
one instance of everything, and through a day of varying load: updates and time until the
topology is healthy, instances at the end, time in back-pressure, tuples held by updates, and
oscillations: a component made smaller and then larger again (or the other way) within an hour while
the load changed by less than a tenth.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from packing.advice.actions import Timing
from packing.simulation import Mechanics
from tests.benchmarks.model_against_simulation import costs_of

from .cases import day, declared, random_world, word_count
from .ours import Judged, Overheads, beside_others
from .watch import SETTLED, Rule, Run, watch
from .world import INTERVAL_S, PAUSE_S, SimulatedWorld

INTERVALS = 30
DAYS_S = 86400.0
QUIET_INTERVALS = 5
"""Of a day, that pass at once while all is well: load varies slowly."""
DAYS = 6
Compared = dict[str, Run]


def rules(world: SimulatedWorld, seed: int) -> dict[str, Rule]:
    """The rules, each with what it may know of `world`."""
    known = declared(world.profile, np.random.default_rng(seed))
    costs, overheads = costs_of(world.mechanics), overheads_of(world.mechanics)
    timing = Timing(update_pause_s=PAUSE_S)
    judged = Judged(world.topology, known, costs, timing, overheads)
    return beside_others(judged)


def overheads_of(mechanics: Mechanics) -> Overheads:
    """What a simulated executor does besides user code."""
    return Overheads(mechanics.executor_receive_s, mechanics.executor_emit_s)


def compare(
    make: Callable[[], SimulatedWorld], seed: int, until_s: float, settled: int = SETTLED
) -> Compared:
    """Every rule on a world of its own."""
    return {
        name: watch(make(), rule, until_s, settled) for name, rule in rules(make(), seed).items()
    }


def started(number: int) -> Compared:
    """A random topology at a constant load, from one instance each."""
    return compare(partial(_random, number), number, INTERVALS * INTERVAL_S)


def through_a_day(number: int) -> Compared:
    """A random topology at a load that varies."""
    return compare(partial(_varying, number), number, DAYS_S, sys.maxsize)


def _random(number: int) -> SimulatedWorld:
    return random_world(np.random.default_rng(number), number)


def _varying(number: int) -> SimulatedWorld:
    return replace(_random(number), offered=day, quiet_s=QUIET_INTERVALS * INTERVAL_S)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.closed_loop")
    parser.add_argument("cases", nargs="?", type=int, default=200, help="random topologies")
    parser.add_argument("--days", type=int, default=DAYS, help="topologies watched for a day")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count(), help="processes; the figures are the same"
    )
    asked = parser.parse_args()
    print(
        "word count of Dhalion and DS2 (published: Heron's rule 6 updates, 22/30; DS2 1, 10/20)\n"
    )
    print_table([compare(word_count, 0, INTERVALS * INTERVAL_S)])
    with ProcessPoolExecutor(asked.jobs) as pool:
        if asked.cases:
            print(f"\n{asked.cases} random topologies, from one instance each\n")
            print_table(pool.map(started, range(asked.cases)))
        if asked.days:
            print(f"\n{asked.days} topologies through a day of varying load\n")
            print_table(pool.map(through_a_day, range(asked.days)))


def print_table(found: Iterable[Compared]) -> None:
    print(
        "| rule | healthy | within 2 updates | updates, mean | until healthy s, median "
        "| instances at the end | back-pressure s | tuples held | oscillations | instance hours |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    compared = list(found)
    for name in compared[0]:
        runs = [rules[name] for rules in compared]

        def mean(of: Callable[[Run], float], runs: Sequence[Run] = runs) -> float:
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
