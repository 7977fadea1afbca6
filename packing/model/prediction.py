"""What a topology does under a plan: the parts of the model put together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from packing.arrays import Floats, Ints
from packing.model.costs import NO_COSTS, HeronCosts
from packing.model.counts import Classes, Contents, place_counts
from packing.model.demand import CONTAINERS, MANAGERS, Demand, Needs
from packing.model.latency import Latency, in_flight, latency, spout_rate
from packing.model.memory import ComponentMemory, memory
from packing.model.placed import Placed, place
from packing.model.runtime import Runtime
from packing.model.saturation import Limit, Saturation, quotas, saturation
from packing.model.structure import Structure, structure
from packing.plan import Plan
from packing.profile import Profile
from packing.topology import Topology

DEFAULT_RUNTIME = Runtime()
CLOSE = 1e-9
"""Relative width at which the search for a limited number of tuples in flight ends."""
ROUNDS = 60
NO_LOAD = "not known: rates and service times are not all stated or measured"
NEVER_BUSY = "not known: with these rates and service times no instance is ever busy"


@dataclass(frozen=True)
class Prediction:
    """What a topology would do under a plan. Tuples/s, cores, bytes, seconds."""

    sustainable_load_factor: float | None
    """Offered load times this runs without back-pressure; None when the load is not known."""
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
    delivered_load_factor: float | None = None
    """Part of the offered load that gets through; below 1 the spouts are held back."""
    throughput_per_s: float | None = None
    """Tuples/s that the sinks execute."""
    runner_up: str = ""
    """What limits next."""
    limits: tuple[Limit, ...] = ()
    latency: Latency | None = None
    container_cpu_cores: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    """CPU in use per container at the load delivered, in the order of the plan's containers."""
    stream_manager_cores: Floats = field(default_factory=lambda: np.zeros(0), compare=False)
    """The part of it that is the stream manager's."""
    memory: tuple[ComponentMemory, ...] = ()
    """RAM of the components whose use the profile states."""
    risks: tuple[str, ...] = ()
    """What may go wrong although the plan is valid, a sentence each."""

    @property
    def cross_fraction(self) -> float:
        """Cross traffic over all traffic; 0 without traffic."""
        total = self.traffic_tuples_per_s
        return self.cross_tuples_per_s / total if total > 0 else 0.0

    @property
    def back_pressure_share(self) -> float | None:
        """Share of the offered load, and so of the time, for which spouts are held back."""
        delivered = self.delivered_load_factor
        return None if delivered is None else 1.0 - delivered


def predict(  # noqa: PLR0917 - what the world is made of
    topology: Topology,
    plan: Plan,
    profile: Profile,
    homogeneous: bool = False,
    costs: HeronCosts = NO_COSTS,
    runtime: Runtime = DEFAULT_RUNTIME,
) -> Prediction:
    """Predict `plan` for `topology` at the parallelism that the plan has.

    With `homogeneous` the scheduler gives every container the size of the largest one, which is
    then what it may use and what it costs. Without a known load only traffic and size are said.
    """
    return predict_placed(
        structure(topology.with_parallelism(plan.parallelism), profile),
        plan,
        homogeneous,
        costs,
        runtime,
    )


def predict_placed(
    prepared: Structure,
    plan: Plan,
    homogeneous: bool = False,
    costs: HeronCosts = NO_COSTS,
    runtime: Runtime = DEFAULT_RUNTIME,
) -> Prediction:
    """`predict` for a topology that was prepared once for many plans of its parallelism."""
    granted = plan.granted_by(homogeneous)
    cores, ram_bytes = granted[:, 0], granted[:, 1]
    requested = np.zeros(0) if prepared.known_load else plan.used[0]
    return _predicted(place(prepared, plan), cores, ram_bytes, requested, costs, runtime)


def predict_counts(
    classes: Classes,
    contents: Contents,
    costs: HeronCosts = NO_COSTS,
    runtime: Runtime = DEFAULT_RUNTIME,
    whole: bool = False,
) -> Prediction:
    """What `predict_placed` says of any plan with these contents, without building one.

    Without a plan there are no names: `bottleneck`, `runner_up` and `limits` are empty. What is
    delivered at the offered load, with what latency and CPU, is left out too unless the `whole` is
    asked for. Raises InvalidRequest when shapes do not fit.
    """
    return _predicted(
        place_counts(classes, contents.counts),
        contents.cores,
        contents.ram_bytes,
        contents.requested_cores,
        costs,
        runtime,
        whole,
    )


def _predicted(  # noqa: PLR0917 - what the world is made of
    placed: Placed,
    cores: Floats,
    ram_bytes: Floats | Ints,
    requested: Floats,
    costs: HeronCosts,
    runtime: Runtime,
    whole: bool = True,
) -> Prediction:
    """Prediction for containers of these sizes; `requested` is balanced where load is unknown."""
    prepared = placed.structure
    total = prepared.traffic_per_s
    local = float(placed.local_per_s.sum())
    through = placed.manager_in_per_s + placed.manager_remote_in_per_s
    found = saturation(placed, costs, runtime, cores) if prepared.known_load else None
    load = requested if found is None else found.at_load.cores_at(1.0)[CONTAINERS]
    highest, mean = float(load.max()), float(load.sum()) / len(load)
    limits = () if found is None or placed.known_plan is None else found.limits
    loaded = None if found is None or not whole else _loaded(placed, found, costs, runtime, cores)
    delivered = None if loaded is None else loaded.delivered
    ram = memory(placed, ram_bytes, costs, runtime.high_water_bytes, delivered)
    return Prediction(
        sustainable_load_factor=None if found is None else found.finite,
        bottleneck=_bottleneck(found, limits),
        traffic_tuples_per_s=total,
        cross_tuples_per_s=max(0.0, total - local),
        containers=len(cores),
        cores=float(cores.sum()),
        ram_bytes=int(ram_bytes.sum()),
        load_max_over_mean=highest / mean if mean > 0 else 1.0,
        highest_cpu_utilisation=None if found is None else _highest(load, cores),
        stream_manager_max_tuples_per_s=float(through.max(initial=0.0)),
        delivered_load_factor=delivered,
        throughput_per_s=None if loaded is None else loaded.throughput_per_s,
        runner_up=limits[1].name if len(limits) > 1 else "",
        limits=limits,
        latency=None if loaded is None else loaded.latency,
        container_cpu_cores=np.zeros(0) if loaded is None else loaded.container_cores,
        stream_manager_cores=np.zeros(0) if loaded is None else loaded.manager_cores,
        memory=ram.components,
        risks=ram.risks,
    )


def _bottleneck(found: Saturation | None, limits: tuple[Limit, ...]) -> str:
    if found is None:
        return NO_LOAD
    if found.finite is None:
        return NEVER_BUSY
    return limits[0].name if limits else ""


@dataclass(frozen=True)
class _Loaded:
    delivered: float
    throughput_per_s: float
    latency: Latency
    container_cores: Floats
    manager_cores: Floats


def _loaded(
    placed: Placed, found: Saturation, costs: HeronCosts, runtime: Runtime, cores: Floats
) -> _Loaded:
    """Throughput, latency and CPU at the load that gets through."""
    quota = quotas(placed, runtime, cores)
    delivered, needs = found.delivered, found.demand
    when = latency(placed, needs, runtime, quota, delivered, found.sustainable)
    allowed = in_flight(placed, runtime)
    if allowed is not None and when.complete_s is not None:
        at = _Pending(placed, Needs(placed, costs, runtime), runtime, quota, allowed)
        if at.in_flight(delivered, when.complete_s) > allowed * (1 + CLOSE):
            delivered, needs, when = at.limited(delivered)
    used = needs.cores_at(delivered)
    return _Loaded(
        delivered,
        placed.structure.sink_per_s * delivered,
        when,
        used[CONTAINERS],
        used[MANAGERS],
    )


class _Pending:
    """Spouts that wait for acknowledgements: rate times way there and back is what is in flight."""

    def __init__(
        self, placed: Placed, needs: Needs, runtime: Runtime, quota: Floats, allowed: float
    ) -> None:
        self._placed = placed
        self._needs = needs
        self._runtime = runtime
        self._quota = quota
        self._allowed = allowed
        self._offered = spout_rate(placed)

    def in_flight(self, factor: float, complete_s: float) -> float:
        """Tuples in flight at a load factor, by Little's law."""
        return factor * self._offered * complete_s

    def limited(self, above: float) -> tuple[float, Demand, Latency]:
        """The highest load below `above` at which no more are in flight than allowed.

        Tuples in flight rise with load, with steps where a drain is missed; so the load is found by
        the Illinois form of the secant method, which a step does not throw off.
        """
        low, high = 0.0, above
        missing = self._allowed
        over = self._beyond(self._at(high)[1], high)
        best = 0.0, *self._at(0.0)
        for _ in range(ROUNDS):
            if high - low <= CLOSE * above:
                break
            middle = (low * over + high * missing) / (over + missing)
            middle = min(max(middle, low + 0.01 * (high - low)), high - 0.01 * (high - low))
            needs, when = self._at(middle)
            beyond = self._beyond(when, middle)
            if beyond > 0:
                high, over, missing = middle, beyond, missing / 2
            else:
                best = middle, needs, when
                low, missing, over = middle, max(-beyond, 1e-300), over / 2
        return best

    def _beyond(self, when: Latency, factor: float) -> float:
        return self.in_flight(factor, when.complete_s or 0.0) - self._allowed

    def _at(self, factor: float) -> tuple[Demand, Latency]:
        # No buffer fills: spouts wait for acknowledgements before that.
        needs = self._needs.at(factor)
        return needs, latency(self._placed, needs, self._runtime, self._quota, factor, 1.0)


def _highest(load: Floats, cores: Floats) -> float:
    """Highest load over capacity; without capacity infinite, unless there is no load either."""
    if cores.all():
        return float((load / cores).max())
    without = np.where(load > 0, np.inf, 0.0)
    return float(np.divide(load, cores, out=without, where=cores > 0).max())
