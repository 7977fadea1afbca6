"""Health policies compared on Heron's in-process runtime.

`python -m tests.benchmarks.closed_loop.in_process` really runs topologies of rate limited bolts
(see `integration.in_process`), a few seconds for each interval. It takes nine minutes, Maven and
a JDK.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from integration.images import build_java
from integration.in_process import Counts, InProcess, InProcessKeys, TaskCounts
from packing.advice.actions import Timing
from packing.arrays import Floats
from packing.model import HeronCosts, structure
from packing.plan import Plan
from packing.profile import Profile
from packing.topology import Component, Grouping, Kind, Stream, Topology

from . import cases
from .__main__ import Compared, print_table
from .observation import Metrics, Observation
from .ours import Judged, beside_others
from .watch import Rule, watch
from .world import INTERVAL_S, PAUSE_S

WARM_UP_S = 2.0
"""After a start and after a change of the load; queues fill and code is compiled."""
WINDOW_S = 2.0
INTERVALS = 24
SETTLED = 4
"""Healthy intervals without an update after which there is no more news."""
SLOWER = 5.0
"""Beyond `cases.SLOWER`: so few tuples that two cores move them beside other work."""
NO_COSTS = HeronCosts("in-process runtime")
"""It has neither stream managers nor gateways, and bolts wait rather than compute."""
STEP_INTERVALS = 7
"""That each of three loads stays."""
SCALE_DOWN_AFTER_S = 180.0
"""For which the load is low before the judgement takes instances away: an hour would be longer than
any load stays."""


@dataclass
class InProcessWorld:
    """A topology that really runs. Every interval stands for `INTERVAL_S`, every update for
    `PAUSE_S`, as in the simulated world; the JVM is ended and another one started.
    """

    topology: Topology
    profile: Profile
    plan: Plan
    offered: Callable[[float], float] = lambda _now_s: 1.0
    now_s: float = 0.0
    back_pressure_s: float = 0.0
    tuples_held: float = 0.0
    instance_seconds: float = 0.0
    running: InProcess | None = field(default=None, init=False)
    _factor: float = field(default=0.0, init=False)

    def interval(self) -> Observation:
        """Let one interval pass and tell what was seen."""
        factor = self.offered(self.now_s)
        runs = self._run(factor)
        before = runs.counts()
        time.sleep(WINDOW_S)
        metrics = metrics_of(self.plan, self._sinks(), before, runs.counts())
        self.now_s += INTERVAL_S
        self.back_pressure_s += metrics.back_pressure * INTERVAL_S
        self.instance_seconds += self.plan.instance_count * INTERVAL_S
        healthy = metrics.healthy(self._offered(factor))
        return Observation(self.now_s, self.plan, factor, metrics, healthy)

    def update(self, plan: Plan) -> None:
        """Deploy another plan."""
        self.close()
        self.tuples_held += self._offered(self.offered(self.now_s)) * PAUSE_S
        self.now_s += PAUSE_S
        self.plan = plan

    def close(self) -> None:
        """Stop the topology; another interval would start it again."""
        if self.running is not None:
            self.running.close()
            self.running = None

    def _run(self, factor: float) -> InProcess:
        if self.running is None:
            self.running = InProcess(self._planned(), self.profile, factor)
            time.sleep(WARM_UP_S)
        elif factor != self._factor:
            self.running.offer(factor)
            time.sleep(WARM_UP_S)
        self._factor = factor
        return self.running

    def _planned(self) -> Topology:
        return self.topology.with_parallelism(self.plan.parallelism)

    def _sinks(self) -> set[str]:
        return set(self.topology.names) - {stream.source for stream in self.topology.streams}

    def _offered(self, factor: float) -> float:
        """Tuples/s that the sinks would execute."""
        return structure(self._planned(), self.profile).sink_per_s * factor


def metrics_of(plan: Plan, sinks: set[str], before: Counts, after: Counts) -> Metrics:
    """What happened between two readings; back-pressure is the share of due tuples held back."""
    seconds = (after.nanos - before.nanos) / 1e9
    samples = max(1, after.samples - before.samples)
    earlier, later = _in_order(plan, before), _in_order(plan, after)

    def change(of: Callable[[TaskCounts], float]) -> Floats:
        return np.array([of(b) - of(a) for a, b in zip(earlier, later, strict=True)], np.float64)

    due = change(lambda t: t.due)
    executed = np.where(due > 0, 0.0, change(lambda t: t.executed))
    at_end = np.array([task.component in sinks for task in later])
    return Metrics(
        busy=np.minimum(1.0, change(lambda t: t.execute_nanos) / 1e9 / seconds),
        executes_per_s=executed / seconds,
        emits_per_s=change(lambda t: sum(t.emitted.values())) / seconds,
        waiting_tuples=change(lambda t: t.waiting_sum) / samples,
        back_pressure_causes=change(lambda t: t.cause_samples),
        back_pressure=float(change(lambda t: t.held).sum() / due.sum()),
        throughput_per_s=float(executed[at_end].sum() / seconds),
    )


def _in_order(plan: Plan, counts: Counts) -> list[TaskCounts]:
    """The tasks in the plan's order. The runtime numbers the instances of a component anew, in the
    order of the plan's task ids."""
    names = [plan.components[component] for component in plan.component.tolist()]
    found = {
        name: iter(sorted((t for t in counts.tasks if t.component == name), key=lambda t: t.index))
        for name in names
    }
    at = {int(i): next(found[names[i]]) for i in plan.task_id.argsort()}
    return [at[i] for i in range(len(names))]


def word_count() -> InProcessWorld:
    """`cases.word_count`, slower: 10 and 20 instances at 167 sentences/s."""
    published = cases.word_count()
    profile = published.profile
    return InProcessWorld(
        published.topology,
        replace(
            profile,
            rate_per_s={name: rate / SLOWER for name, rate in profile.rate_per_s.items()},
            service_s={name: s * SLOWER for name, s in profile.service_s.items()},
        ),
        published.plan,
    )


def skewed() -> InProcessWorld:
    """Parse, and count by key: of 200 keys the first has 7 % of the tuples, by Zipf's law."""
    topology = Topology(
        "skewed", "skewed",
        (Component("source", Kind.SPOUT, 1), Component("parse", Kind.BOLT, 1),
         Component("count", Kind.BOLT, 1)),
        (Stream("source", "parse", "lines", Grouping.SHUFFLE),
         Stream("parse", "count", "keyed", Grouping.FIELDS)),
    )  # fmt: skip
    keyed = ("parse", "count", "keyed")
    weights = 1.0 / np.arange(1, 201) ** 0.7
    keys = InProcessKeys({f"key{i}": float(weight) for i, weight in enumerate(weights)})
    profile = Profile(
        {"source": 400.0}, {"source": 0.0, "parse": 0.008, "count": 0.0095},
        {("source", "parse", "lines"): 1.0, keyed: 1.0}, {}, key_weights={keyed: keys},
    )  # fmt: skip
    return InProcessWorld(topology, profile, cases.submitted(topology))


def diamond() -> InProcessWorld:
    """A source read twice, and a join of what comes of it."""
    topology = Topology(
        "diamond", "diamond",
        (Component("source", Kind.SPOUT, 1), Component("left", Kind.BOLT, 1),
         Component("right", Kind.BOLT, 1), Component("join", Kind.BOLT, 1)),
        (Stream("source", "left", "to-left", Grouping.SHUFFLE),
         Stream("source", "right", "to-right", Grouping.SHUFFLE),
         Stream("left", "join", "from-left", Grouping.FIELDS),
         Stream("right", "join", "from-right", Grouping.FIELDS)),
    )  # fmt: skip
    profile = Profile(
        {"source": 200.0}, {"source": 0.0, "left": 0.012, "right": 0.018, "join": 0.006},
        {("source", "left", "to-left"): 1.0, ("source", "right", "to-right"): 1.0,
         ("left", "join", "from-left"): 2.0, ("right", "join", "from-right"): 1.0},
    )  # fmt: skip
    return InProcessWorld(topology, profile, cases.submitted(topology))


def steps() -> InProcessWorld:
    """The diamond at half its load, then 1.3 times that of `diamond`, then half again."""

    def offered(now_s: float) -> float:
        high = STEP_INTERVALS <= now_s / INTERVAL_S < 2 * STEP_INTERVALS
        return 1.3 if high else 0.5

    return replace(diamond(), offered=offered)


def rules(world: InProcessWorld) -> dict[str, Rule]:
    """The rules, each with what it may know of `world`: service times are declared, not exact."""
    known = cases.declared(world.profile, np.random.default_rng(0))
    judged = Judged(
        world.topology, known, NO_COSTS, Timing(update_pause_s=PAUSE_S),
        scale_down_after_s=SCALE_DOWN_AFTER_S,
    )  # fmt: skip
    return beside_others(judged)


def compare(make: Callable[[], InProcessWorld], intervals: int, settled: int) -> Compared:
    """Every rule on a topology of its own, one after the other."""
    found = {}
    for name, rule in rules(make()).items():
        with closing(make()) as world:
            found[name] = watch(world, rule, intervals * INTERVAL_S, settled)
    return found


def main() -> None:
    """Print the tables."""
    build_java()
    for title, make in (
        ("word count of Dhalion and DS2, from one instance each", word_count),
        ("skewed keys, from one instance each", skewed),
        ("diamond, from one instance each", diamond),
    ):
        print(f"\n{title}\n", flush=True)
        print_table([compare(make, INTERVALS, SETTLED)])
    print("\ndiamond, load rising and falling\n", flush=True)
    intervals = 3 * STEP_INTERVALS
    print_table([compare(steps, intervals, intervals)])


if __name__ == "__main__":
    main()
