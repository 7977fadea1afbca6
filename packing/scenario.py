"""What if: a plan under other circumstances.

A scenario changes the load (rates, service times), the plan (parallelism, number and size of
containers), or takes containers away. What it leads to is predicted like any other plan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from packing.arrays import Bools, Floats
from packing.constraints import Constraints
from packing.errors import Infeasible, InvalidRequest, PackingError
from packing.flows import flows
from packing.key_skew import Order, Shares
from packing.model import Prediction, Structure, predict_placed, structure
from packing.model.uncertainty import DRAWS, SEED, Intervals, spread
from packing.plan import Plan
from packing.planners import Planner
from packing.planners.stream_affinity import stream_affinity
from packing.profile import (
    ASSUMED_RATE_PER_S,
    Origin,
    Profile,
    Source,
    draw_factors,
    stream_key,
)
from packing.request import Request
from packing.resources import MAX_BYTES, MAX_CORES, Resources, counted, describe_bytes
from packing.topology import Grouping, Kind, Stream, Topology
from packing.validation import violations

MAX_FACTOR = 1e6
"""Nothing becomes a million times faster, slower or larger."""


@dataclass(frozen=True)
class Scenario:
    """One change of circumstances, made of any of these; the default changes nothing.

    Raises InvalidRequest for factors that are not above 0 and parallelisms below 1.
    """

    name: str = ""
    rate_factor: float = 1.0
    """Offered rate of every spout instance times this."""
    parallelism: Mapping[str, int] = field(default_factory=dict)
    """Component -> its instances. Rates are per spout instance, as in a profile: with twice the
    spouts twice the load is offered."""
    container_count: int | None = None
    container_cpu_factor: float = 1.0
    """Cores of every container times this, the stated size included."""
    container_ram_factor: float = 1.0
    service_time_factor: Mapping[str, float] = field(default_factory=dict)
    """Component -> CPU time per tuple times this; 0.5 is twice as fast. Waiting times stay."""
    lost_containers: tuple[int, ...] = ()
    """Ids of containers that are gone and not back yet."""

    def __post_init__(self) -> None:
        """Refuse what cannot be, naming the value."""
        factors = {
            "rate_factor": self.rate_factor,
            "container_cpu_factor": self.container_cpu_factor,
            "container_ram_factor": self.container_ram_factor,
            **{
                f"service_time_factor of {name!r}": factor
                for name, factor in self.service_time_factor.items()
            },
        }
        for what, factor in factors.items():
            if not (math.isfinite(factor) and 0 < factor <= MAX_FACTOR):
                raise self._invalid(f"{what} is {factor:g}; it must be above 0, at most 1e6")
        for name, wanted in self.parallelism.items():
            if wanted < 1:
                raise self._invalid(f"parallelism of {name!r} is {wanted}; it must be 1 or more")
        if self.container_count is not None and self.container_count < 1:
            raise self._invalid(f"container_count is {self.container_count}; it must be 1 or more")

    @property
    def repacks(self) -> bool:
        """Whether a planner has to make another plan."""
        return bool(self.parallelism) or self.container_count is not None

    @property
    def changes_plan(self) -> bool:
        """Whether the plan that is predicted is another than the one given."""
        resizes = self.container_cpu_factor != 1.0 or self.container_ram_factor != 1.0
        return self.repacks or resizes or bool(self.lost_containers)

    @property
    def title(self) -> str:
        """The name, or what it changes in a few words."""
        return self.name or ", ".join(self.changes) or "as it is"

    @property
    def changes(self) -> tuple[str, ...]:
        """What it changes, a few words each."""
        found = []
        if self.rate_factor != 1.0:
            found.append(f"rate x{self.rate_factor:g}")
        found += [f"{name}={count}" for name, count in self.parallelism.items()]
        if self.container_count is not None:
            found.append(counted(self.container_count, "container"))
        if self.container_cpu_factor != 1.0:
            found.append(f"cores x{self.container_cpu_factor:g}")
        if self.container_ram_factor != 1.0:
            found.append(f"RAM x{self.container_ram_factor:g}")
        found += [f"{name} time x{by:.3g}" for name, by in self.service_time_factor.items()]
        if self.lost_containers:
            found.append(f"without {', '.join(map(str, self.lost_containers))}")
        return tuple(found)

    def _invalid(self, sentence: str) -> InvalidRequest:
        return InvalidRequest(f"scenario {self.title!r}: {sentence}" if self.name else sentence)


AS_IT_IS = Scenario()


@dataclass(frozen=True)
class Situation:
    """What a scenario leads to: everything that a prediction needs."""

    topology: Topology
    """At the parallelism of `plan`."""
    plan: Plan
    profile: Profile
    request: Request
    """The update that leads to the plan; its constraints and scheduler hold."""

    @property
    def prepared(self) -> Structure:
        """The topology with its load."""
        return structure(self.topology, self.profile)


@dataclass(frozen=True)
class Outcome:
    """What a plan does under a scenario."""

    scenario: Scenario
    situation: Situation
    prediction: Prediction
    intervals: Intervals | None
    """None where nothing is known of the load."""


def predict_scenario(
    scenario: Scenario,
    request: Request,
    plan: Plan,
    planner: Planner = stream_affinity,
    draws: int = DRAWS,
) -> Outcome:
    """Apply a scenario to `plan` and predict the result, with intervals. Raises as `apply` does.

    Draws are seeded and depend on neither plan nor parallelism, so that outcomes are comparable
    draw by draw.
    """
    found = apply(scenario, request, plan, planner)
    prepared = found.prepared
    homogeneous = request.scheduler.homogeneous
    setting = (homogeneous, request.costs, request.runtime)
    prediction = predict_placed(prepared, found.plan, *setting)
    intervals = None
    if prediction.sustainable_load_factor is not None:
        factors = draw_factors(found.profile, found.topology, draws, SEED)
        intervals = spread(prepared, found.plan, factors, *setting, point=prediction)
    return Outcome(scenario, found, prediction, intervals)


def apply(
    scenario: Scenario, request: Request, plan: Plan, planner: Planner = stream_affinity
) -> Situation:
    """The topology, plan and profile that `scenario` makes of `plan`.

    `request` gives topology, constraints, scheduler, load and costs; a current plan or changes in
    it do not count, `plan` is what runs. Rates and service times change the profile only. Another
    parallelism or number of containers is an update of `plan` by `planner`, in containers whose
    size was changed before.

    A lost container is predicted as Heron behaves until the scheduler has brought it back: nothing
    is moved, since the physical plan stays, so that upstream instances still address those that are
    gone and the stream managers drop these tuples (StMgrClient::SendTupleStreamMessage drops what
    is for a peer that is not connected; there is no back-pressure for it). So the surviving
    instances get no more than before, spouts that are gone offer nothing, and what the sinks
    execute falls. With acknowledgements the dropped tuples also come back after their timeout and
    hold places among those pending meanwhile, which is not predicted. A GLOBAL stream whose reader
    is gone delivers nothing.

    Raises InvalidRequest naming the value at fault, Infeasible where no plan exists, instances no
    longer fit or nothing would flow.
    """
    try:
        base = replace(request, current=plan, deltas={}, container_count=None)
        _check_names(scenario, request.topology, plan)
        plan, constraints = _resized(scenario, plan, base.constraints)
        update = replace(base, current=plan, constraints=constraints)
        if scenario.repacks:
            running = plan.parallelism
            update = replace(
                update,
                deltas={
                    name: wanted - running[name]
                    for name, wanted in scenario.parallelism.items()
                    if wanted != running[name]
                },
                container_count=scenario.container_count,
            )
            if not update.changes_nothing:
                plan = _repacked(update, planner)
        profile = _loaded(scenario, request.profile, request.topology)
        if scenario.lost_containers:
            plan, profile = _without(scenario, update.topology, plan, profile)
    except Infeasible as error:
        raise Infeasible(_told(scenario, error)) from None
    except InvalidRequest as error:
        raise InvalidRequest(_told(scenario, error)) from None
    return Situation(request.topology.with_parallelism(plan.parallelism), plan, profile, update)


def _told(scenario: Scenario, error: PackingError) -> str:
    return f"scenario {scenario.title!r}: {error}" if scenario.changes else str(error)


def _check_names(scenario: Scenario, topology: Topology, plan: Plan) -> None:
    for what, names in (
        ("parallelism", scenario.parallelism),
        ("service_time_factor", scenario.service_time_factor),
    ):
        for name in names:
            if name not in topology.position:
                raise InvalidRequest(
                    f"{what} names component {name!r}, which the topology does not have; it has "
                    f"{', '.join(topology.names)}"
                )
    known = set(plan.container_ids.tolist())
    for this in scenario.lost_containers:
        if this not in known and not scenario.repacks:
            shown = ", ".join(str(i) for i in sorted(known)[:20])
            raise InvalidRequest(f"container {this} is not in the plan; it has {shown}")


def _repacked(update: Request, planner: Planner) -> Plan:
    try:
        plan = planner(update)
    except (Infeasible, InvalidRequest):
        raise
    except PackingError as error:
        raise Infeasible(str(error)) from None
    fatal = [v for v in violations(plan, update) if v.fatal]
    if fatal:
        raise Infeasible(fatal[0].message)
    return plan


def _resized(scenario: Scenario, plan: Plan, constraints: Constraints) -> tuple[Plan, Constraints]:
    """Containers of another size; Infeasible when their instances no longer fit."""
    by_cpu, by_ram = scenario.container_cpu_factor, scenario.container_ram_factor
    if by_cpu == 1.0 and by_ram == 1.0:
        return plan, constraints
    cores = plan.container_cpu_cores * by_cpu
    ram = plan.container_ram_bytes * by_ram
    if float(cores.max()) > MAX_CORES or float(ram.max()) > MAX_BYTES:
        raise InvalidRequest(
            f"containers of {cores.max():g} cores and {describe_bytes(float(ram.max()))} are "
            "larger than any machine"
        )
    ram_bytes = np.rint(ram).astype(np.int64)
    short = np.flatnonzero(ram_bytes < plan.used[1])
    if len(short):
        at = int(short[0])
        raise Infeasible(
            f"container {plan.container_ids[at]} would have {describe_bytes(int(ram_bytes[at]))} "
            f"of RAM, and its instances ask for {describe_bytes(int(plan.used[1][at]))}"
        )
    scheduled = {
        this: Resources(grant.cpu_cores * by_cpu, round(grant.ram_bytes * by_ram), grant.disk_bytes)
        for this, grant in (plan.scheduled or {}).items()
    }

    def times(value: float | None, by: float) -> float | None:
        return None if value is None else value * by

    def whole(value: int | None) -> int | None:
        return None if value is None else round(value * by_ram)

    resized = replace(
        plan,
        container_cpu_cores=cores,
        container_ram_bytes=ram_bytes,
        scheduled=scheduled or None,
    )
    return resized, replace(
        constraints,
        container_cpu_cores=times(constraints.container_cpu_cores, by_cpu),
        container_ram_bytes=whole(constraints.container_ram_bytes),
        container_cpu_hint_cores=times(constraints.container_cpu_hint_cores, by_cpu),
        container_ram_hint_bytes=whole(constraints.container_ram_hint_bytes),
    )


def _loaded(scenario: Scenario, profile: Profile, topology: Topology) -> Profile:
    """The profile at other rates and service times; spreads stay as they are, relatively."""
    rates, service_s = dict(profile.rate_per_s), dict(profile.service_s)
    origin = dict(profile.origin)
    if scenario.rate_factor != 1.0:
        for component in topology.components:
            name = component.name
            if component.kind is Kind.SPOUT:
                if name not in rates:
                    # Only shares of traffic follow from an assumed rate, and it stays assumed.
                    origin["rate_per_s", name] = Origin.of(Source.ASSUMED)
                rates[name] = rates.get(name, ASSUMED_RATE_PER_S) * scenario.rate_factor
    for name, factor in scenario.service_time_factor.items():
        if name not in service_s:
            raise InvalidRequest(
                f"the service time of {name!r} is not known, so nothing follows from its change; "
                "state it in a profile"
            )
        service_s[name] *= factor
    return replace(profile, rate_per_s=rates, service_s=service_s, origin=origin)


def _without(
    scenario: Scenario, topology: Topology, plan: Plan, profile: Profile
) -> tuple[Plan, Profile]:
    """What is left of the plan, and a profile in which tuples for the others are dropped."""
    for this in scenario.lost_containers:
        if this not in plan.container_ids:
            raise InvalidRequest(f"container {this} is not in the plan that would run")
    lost = np.isin(plan.container_ids, scenario.lost_containers)
    if lost.all():
        raise Infeasible("all containers are lost, so nothing runs")
    left = _kept(plan, ~lost)
    for name, count in left.parallelism.items():
        if not count:
            names = ", ".join(str(i) for i in scenario.lost_containers)
            raise Infeasible(
                f"every instance of {name!r} is in container {names}, so nothing gets through "
                "until it is back"
            )
    whole = topology.with_parallelism(plan.parallelism)
    uneven = flows(whole, profile).uneven
    selectivity = dict(profile.selectivity)
    by_input = dict(profile.input_selectivity)
    key_shares = dict(profile.key_shares)
    key_weights = dict(profile.key_weights)
    origin = dict(profile.origin)
    for i, stream in enumerate(whole.streams):
        if stream.grouping is Grouping.ALL:
            continue  # a copy for each one that is left
        key = stream_key(stream)
        arriving = _arriving(plan, ~lost, whole.position[stream.target], stream, uneven.get(i))
        reached = float(arriving.sum())
        if i in uneven:
            # At the number of readers that is left, keys would be hashed anew.
            key_weights.pop(key, None)
            key_shares.pop(key, None)
            if reached > 0:
                key_shares[key] = tuple((arriving / reached).tolist())
        # A selectivity that was assumed to be 1 stays an assumption when it is scaled.
        origin["selectivity", key] = profile.origin_of("selectivity", key)
        selectivity[key] = selectivity.get(key, 1.0) * reached
        for (output, into), value in profile.input_selectivity.items():
            if output == key:
                by_input[output, into] = value * reached
    return left, replace(
        profile,
        selectivity=selectivity,
        input_selectivity=by_input,
        key_shares=key_shares,
        key_weights=key_weights,
        origin=origin,
    )


def _arriving(
    plan: Plan, staying: Bools, reader: int, stream: Stream, uneven: Shares | None
) -> Floats:
    """Share of a stream that each reader in a `staying` container gets, by component index."""
    members = np.flatnonzero(plan.component == reader)
    shares = np.full(len(members), 1.0 / len(members))
    if stream.grouping is Grouping.GLOBAL:
        shares = (plan.task_id[members] == plan.task_id[members].min()).astype(np.float64)
    elif uneven is not None:
        by = plan.index if uneven.order is Order.COMPONENT_INDEX else plan.task_id
        shares[np.argsort(by[members])] = uneven.values
    by_index = np.argsort(plan.index[members])
    return np.asarray(shares[by_index][staying[plan.container[members[by_index]]]])


def _kept(plan: Plan, containers: Bools) -> Plan:
    """The part of a plan in some of its containers."""
    alive = containers[plan.container]
    position = np.cumsum(containers) - 1
    ids = plan.container_ids[containers]
    return replace(
        plan,
        component=plan.component[alive],
        task_id=plan.task_id[alive],
        index=plan.index[alive],
        container=position[plan.container[alive]],
        cpu_cores=plan.cpu_cores[alive],
        ram_bytes=plan.ram_bytes[alive],
        disk_bytes=plan.disk_bytes[alive],
        container_ids=ids,
        container_cpu_cores=plan.container_cpu_cores[containers],
        container_ram_bytes=plan.container_ram_bytes[containers],
        container_disk_bytes=plan.container_disk_bytes[containers],
        scheduled={i: g for i, g in (plan.scheduled or {}).items() if i in ids} or None,
    )
