"""Throughput, traffic and cost of a plan from its flows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packing.arrays import Floats, sum_by
from packing.flows import (
    Flows,
    flows,
    instance_shares,
    lowest_task_container,
    routing_shares,
)
from packing.plan import Plan
from packing.profile import Profile
from packing.topology import Grouping, Topology


@dataclass(frozen=True)
class Prediction:
    """What a topology would do under a plan. Tuples/s, cores, bytes."""

    sustainable_load_factor: float | None
    """Offered load times this is what the plan carries; None when the load is not known."""
    bottleneck: str
    """What limits it, or why that is not known."""
    traffic_tuples_per_s: float
    cross_tuples_per_s: float
    """Part of the traffic whose sender and receiver are in different containers."""
    containers: int
    cores: float
    ram_bytes: int
    load_max_over_mean: float
    """Load of the fullest container over the mean; load is CPU demand where known, else the CPU
    that the instances ask for."""
    highest_cpu_utilisation: float | None
    """CPU demand over the container's cores, in the fullest one."""
    stream_manager_max_tuples_per_s: float
    """Largest number of tuples through one stream manager: from and to instances and peers."""

    @property
    def cross_fraction(self) -> float:
        """Cross traffic over all traffic; 0 without traffic."""
        total = self.traffic_tuples_per_s
        return self.cross_tuples_per_s / total if total > 0 else 0.0


def predict(
    topology: Topology, plan: Plan, profile: Profile, homogeneous: bool = False
) -> Prediction:
    """Predict `plan` for `topology` at the parallelism that the plan has.

    With `homogeneous` the scheduler gives every container the size of the largest one, which is
    then what it may use and what it costs.

    The sustainable load is the smallest capacity over load among all instances (one thread each)
    and all containers (their cores), because Heron's back-pressure stops every spout when one
    buffer is full. Source: Heron's stmgr.cpp; DS2 (OSDI'18) for capacities per instance.
    """
    running = topology.with_parallelism(plan.parallelism)
    rates = flows(running, profile)
    shares = instance_shares(running, plan, rates)
    sending, receiving = routing_shares(running, plan, shares)
    local, through = _traffic(running, plan, rates, sending, receiving)
    total = float(rates.stream_per_s.sum())
    cores, ram_bytes = plan.granted[:, 0], plan.granted[:, 1]
    if homogeneous:
        cores = np.full_like(cores, cores.max())
        ram_bytes = np.full_like(ram_bytes, ram_bytes.max())

    known = profile.knows_load(running)
    if known:
        service_s = np.array([profile.service_s[name] for name in running.names])
        busy = (rates.input_per_s * service_s)[plan.component] * shares
        load = sum_by(plan.container, busy, plan.container_count)
        factor, bottleneck = _weakest(plan, busy, load, cores)
        utilisation = _ratio(load, cores)
    else:
        load = plan.used[0]
        factor, bottleneck = None, "not known: no rates and service times were stated"
        utilisation = None
    mean_load = float(load.mean())
    return Prediction(
        sustainable_load_factor=factor,
        bottleneck=bottleneck,
        traffic_tuples_per_s=total,
        cross_tuples_per_s=max(0.0, total - local),
        containers=plan.container_count,
        cores=float(cores.sum()),
        ram_bytes=int(ram_bytes.sum()),
        load_max_over_mean=float(load.max()) / mean_load if mean_load > 0 else 1.0,
        highest_cpu_utilisation=None if utilisation is None else float(utilisation.max()),
        stream_manager_max_tuples_per_s=float(through.max(initial=0.0)),
    )


def _traffic(
    topology: Topology, plan: Plan, rates: Flows, sending: Floats, receiving: Floats
) -> tuple[float, Floats]:
    """Tuples/s that stay inside a container, and tuples/s through each stream manager."""
    local = 0.0
    through = np.zeros(plan.container_count)
    for rate, stream in zip(rates.stream_per_s.tolist(), topology.streams, strict=True):
        source, target = topology.position[stream.source], topology.position[stream.target]
        arriving = receiving[target]
        if stream.grouping is Grouping.GLOBAL:
            arriving = np.zeros(plan.container_count)
            at = lowest_task_container(plan, target)
            if at is not None:
                arriving[at] = 1.0
        both = sending[source] @ arriving
        local += rate * float(both)
        # A tuple passes its sender's stream manager, and the receiver's when that is another one.
        through += rate * (sending[source] + arriving - sending[source] * arriving)
    return local, through


def _ratio(load: Floats, capacity: Floats) -> Floats:
    """Load over capacity; without capacity infinite, unless there is no load either."""
    without = np.where(load > 0, np.inf, 0.0)
    return np.divide(load, capacity, out=without, where=capacity > 0)


def _weakest(plan: Plan, busy: Floats, load: Floats, cores: Floats) -> tuple[float | None, str]:
    """Smallest capacity over load, and whose it is."""
    container_use = _ratio(load, cores)
    instance = int(np.argmax(busy))
    container = int(np.argmax(container_use))
    if busy[instance] <= 0:
        return None, "not known: with these rates and service times no instance is ever busy"
    if container_use[container] >= busy[instance]:
        return (
            1.0 / float(container_use[container]),
            f"CPU of container {plan.container_ids[container]}",
        )
    name = plan.components[plan.component[instance]]
    return 1.0 / float(busy[instance]), f"thread of {name} instance {plan.index[instance]}"
