"""Flows instance by instance, written without the model's formulas."""

from __future__ import annotations

import math
from collections import defaultdict

from packing.plan import Plan
from packing.profile import Profile
from packing.topology import Grouping, Kind, Stream, Topology

Instance = tuple[str, int]
"""Component and task id."""


def instances_of(plan: Plan) -> dict[str, list[int]]:
    tasks: dict[str, list[int]] = defaultdict(list)
    for instance in plan.instances():
        tasks[instance.component].append(instance.task_id)
    return tasks


def receivers(stream: Stream, tasks: list[int]) -> dict[int, float]:
    """Copies of one tuple that each instance of the reading component gets."""
    if stream.grouping is Grouping.ALL:
        return dict.fromkeys(tasks, 1.0)
    if stream.grouping is Grouping.GLOBAL:
        return {min(tasks): 1.0}
    return dict.fromkeys(tasks, 1.0 / len(tasks))


def input_rates(
    topology: Topology, plan: Plan, profile: Profile, rounds: int
) -> dict[Instance, float]:
    """Tuples/s into each instance: what the spouts emit, passed on hop by hop."""
    tasks = instances_of(plan)
    fresh: dict[Instance, float] = {
        (c.name, task): profile.rate_per_s.get(c.name, 1.0)
        for c in topology.components
        if c.kind is Kind.SPOUT
        for task in tasks[c.name]
    }
    total: dict[Instance, float] = defaultdict(float)
    for _ in range(rounds):
        following: dict[Instance, float] = defaultdict(float)
        for who, rate in fresh.items():
            total[who] += rate
            for stream in topology.streams:
                if stream.source != who[0]:
                    continue
                emitted = rate * selectivity(stream, profile)
                for task, copies in receivers(stream, tasks[stream.target]).items():
                    following[stream.target, task] += emitted * copies
        fresh = following
    return total


def selectivity(stream: Stream, profile: Profile) -> float:
    return profile.selectivity.get((stream.source, stream.target, stream.stream_id), 1.0)


class Explicit:
    """Every flow between two instances, and what follows for containers."""

    def __init__(
        self, topology: Topology, plan: Plan, profile: Profile, rounds: int | None = None
    ) -> None:
        rates = input_rates(topology, plan, profile, rounds or len(topology.components) + 1)
        tasks = instances_of(plan)
        home = {(i.component, i.task_id): i.container_id for i in plan.instances()}
        flows: list[tuple[Instance, Instance, float]] = []
        for stream in topology.streams:
            for sender in tasks[stream.source]:
                emitted = rates[stream.source, sender] * selectivity(stream, profile)
                for task, copies in receivers(stream, tasks[stream.target]).items():
                    flows.append(((stream.source, sender), (stream.target, task), emitted * copies))
        self.rates = rates
        self.traffic = math.fsum(rate for _, _, rate in flows)
        self.cross = math.fsum(rate for a, b, rate in flows if home[a] != home[b])
        self.through: dict[int, float] = dict.fromkeys(plan.container_ids.tolist(), 0.0)
        for a, b, rate in flows:
            for container in {home[a], home[b]}:
                self.through[container] += rate
        self.busy = {who: rate * profile.service_s.get(who[0], 0.0) for who, rate in rates.items()}
        self.load: dict[int, float] = dict.fromkeys(plan.container_ids.tolist(), 0.0)
        for who, busy in self.busy.items():
            self.load[home[who]] += busy

    def factor(self, plan: Plan) -> float | None:
        """What times the offered load fits into every thread and every container."""
        if max(self.busy.values()) <= 0:
            return None
        limits = [1 / busy for busy in self.busy.values() if busy > 0]
        for container, cores in zip(
            plan.container_ids.tolist(), plan.container_cpu_cores.tolist(), strict=True
        ):
            if self.load[container] > 0:
                limits.append(cores / self.load[container])
        return min(limits)
