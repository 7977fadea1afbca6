"""What was observed of a running topology, and the load that follows from it."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median

from packing.advice.offered import OfferedRate
from packing.errors import InvalidRequest
from packing.flows import flows
from packing.plan import Plan
from packing.profile import RELATIVE_SD, Origin, Profile, Source, StreamKey, stream_key
from packing.topology import Grouping, Kind, Topology

NO_TUPLES = 1e-9
"""A share of the largest rate that stands for nothing."""
SLOW = 1.5
"""An instance that takes this many times as long per tuple as its siblings is slow."""


class SymptomKind(enum.Enum):
    """What is wrong with a running topology."""

    BACK_PRESSURE = "back-pressure"
    SLOW_INSTANCE = "slow instance"
    DATA_SKEW = "data skew"
    OVER_PROVISIONED = "over-provisioned"
    HIGH_LATENCY = "high latency"


@dataclass(frozen=True)
class Symptom:
    """One of them, where it was seen."""

    kind: SymptomKind
    component: str = ""
    """Empty: the whole topology."""
    task_ids: tuple[int, ...] = ()
    back_pressure_share: float = 0.0
    """Share of time for which spouts were held back, at BACK_PRESSURE."""


@dataclass(frozen=True)
class Observation:
    """Measured while the running plan ran. All may be empty.

    Raises InvalidRequest for numbers that cannot be.
    """

    tuples_per_s: Mapping[str, float] = field(default_factory=dict)
    """Component -> tuples/s over all its instances: base tuples of a spout, executed ones of a
    bolt."""
    service_s: Mapping[str, float] = field(default_factory=dict)
    """Component -> CPU seconds of user code per tuple."""
    instance_tuples_per_s: Mapping[int, float] = field(default_factory=dict)
    """By task id."""
    instance_service_s: Mapping[int, float] = field(default_factory=dict)
    """By task id."""
    symptoms: tuple[Symptom, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible numbers, naming the value."""
        for what, numbers in (
            ("rate of {!r}", self.tuples_per_s),
            ("service time of {!r}", self.service_s),
            ("rate of task {}", self.instance_tuples_per_s),
            ("service time of task {}", self.instance_service_s),
        ):
            for key, value in numbers.items():
                if not (math.isfinite(value) and value >= 0):
                    raise InvalidRequest(
                        f"the observed {what.format(key)} is {value}; it must be 0 or more"
                    )
        for symptom in self.symptoms:
            if not 0 <= symptom.back_pressure_share <= 1:
                raise InvalidRequest(
                    f"a back-pressure share is {symptom.back_pressure_share}; it is a share of "
                    "time, from 0 to 1"
                )

    @property
    def back_pressure_share(self) -> float:
        """The largest of all symptoms."""
        return max((s.back_pressure_share for s in self.symptoms), default=0.0)

    def check_names(self, topology: Topology, plan: Plan) -> None:
        """Raise InvalidRequest for components and tasks that do not run."""
        named = [*self.tuples_per_s, *self.service_s]
        named += [s.component for s in self.symptoms if s.component]
        for name in named:
            if name not in topology.position:
                raise InvalidRequest(
                    f"component {name!r} was observed, which the topology does not have; it has "
                    f"{', '.join(topology.names)}"
                )
        tasks = set(plan.task_id.tolist())
        observed = [*self.instance_tuples_per_s, *self.instance_service_s]
        observed += [task for s in self.symptoms for task in s.task_ids]
        for task in observed:
            if task not in tasks:
                raise InvalidRequest(f"task {task} was observed, which the current plan lacks")

    def offered_rate(self, topology: Topology) -> OfferedRate | None:
        """What the spouts would emit if nothing held them back; None if they were not observed."""
        spouts = [c.name for c in topology.components if c.kind is Kind.SPOUT]
        if not all(name in self.tuples_per_s for name in spouts):
            return None
        emitted = sum(self.tuples_per_s[name] for name in spouts)
        return OfferedRate.held_back(emitted, self.back_pressure_share)

    def slowness(self, plan: Plan) -> dict[int, float]:
        """Slow tasks -> their time per tuple over the median of their siblings'."""
        found = {}
        component = plan.component_of_task
        for task, service_s in self.instance_service_s.items():
            siblings = [
                s
                for other, s in self.instance_service_s.items()
                if other != task and component[other] == component[task]
            ]
            usual = median(siblings) if siblings else 0.0
            if usual > 0 and service_s >= SLOW * usual:
                found[task] = service_s / usual
        return found


def observed_profile(
    profile: Profile, topology: Topology, plan: Plan, observation: Observation
) -> Profile:
    """The profile corrected by what was observed: times, selectivities and shares of instances.

    Rates of bolts tell how many tuples reach them per tuple of the spouts; where that differs from
    what the profile says, the selectivities of the streams into them are scaled. Times per tuple of
    single instances count where none is stated for their component: as the median of those that
    are not slow. Rates of all readers of a FIELDS stream are its shares, unless its keys are known.
    """
    origin = dict(profile.origin)
    measured = Origin(Source.MEASURED, RELATIVE_SD[Source.MEASURED], "observed while it ran")
    service_s = {**profile.service_s, **_of_instances(plan, observation), **observation.service_s}
    for name, value in service_s.items():
        if value != profile.service_s.get(name):
            origin["service_s", name] = measured
    running = topology.with_parallelism(plan.parallelism)
    rate_per_s = dict(profile.rate_per_s)
    for name, rate in observation.tuples_per_s.items():
        if topology.component(name).kind is Kind.SPOUT:
            rate_per_s[name] = rate / plan.parallelism[name]
            origin["rate_per_s", name] = measured
    corrected = replace(profile, service_s=service_s, rate_per_s=rate_per_s, origin=origin)
    selectivity = _selectivities(corrected, running, observation)
    origin |= {("selectivity", key): measured for key in selectivity}
    shares = _key_shares(profile, running, plan, observation)
    origin |= {("key_shares", key): measured for key in shares}
    return replace(
        corrected,
        selectivity={**profile.selectivity, **selectivity},
        key_shares={**profile.key_shares, **shares},
        origin=origin,
    )


def _of_instances(plan: Plan, observation: Observation) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    slow = observation.slowness(plan)
    for task, service_s in observation.instance_service_s.items():
        if task not in slow:
            found.setdefault(plan.component_of_task[task], []).append(service_s)
    return {name: median(values) for name, values in found.items()}


def _selectivities(
    profile: Profile, running: Topology, observation: Observation
) -> dict[StreamKey, float]:
    """Of streams into bolts that got more or fewer tuples than the profile says."""
    if observation.offered_rate(running) is None or profile.input_selectivity:
        return {}
    rates = flows(running, profile)
    # Less would be rounding.
    least_per_s = NO_TUPLES * float(rates.input_per_s.max())
    predicted = {
        c.name: rate
        for c, rate in zip(running.components, rates.input_per_s.tolist(), strict=True)
        if c.kind is Kind.BOLT and rate > least_per_s
    }
    seen = {
        name: observation.tuples_per_s.get(name, 0.0) / rate for name, rate in predicted.items()
    }
    seen = {name: ratio for name, ratio in seen.items() if ratio > 0}
    ratio = dict.fromkeys(running.names, 1.0) | seen
    for _ in running.components:
        # What was not observed gets as much more or less as those before it.
        arriving = dict.fromkeys(running.names, 0.0)
        for stream, rate in zip(running.streams, rates.stream_per_s.tolist(), strict=True):
            arriving[stream.target] += rate * ratio[stream.source]
        for name in predicted.keys() - seen.keys():
            ratio[name] = arriving[name] / predicted[name]
    found = {}
    for stream in running.streams:
        scale = ratio[stream.target] / ratio[stream.source]
        if stream.target in seen and abs(scale - 1.0) > 1e-9:
            key = stream_key(stream)
            found[key] = profile.selectivity.get(key, 1.0) * scale
    return found


def _key_shares(
    profile: Profile, running: Topology, plan: Plan, observation: Observation
) -> dict[StreamKey, tuple[float, ...]]:
    """Shares of components all of whose input is one FIELDS stream."""
    found = {}
    for v, component in enumerate(running.components):
        inputs = [s for s in running.streams if s.target == component.name]
        if len(inputs) != 1 or inputs[0].grouping is not Grouping.FIELDS:
            continue
        key = stream_key(inputs[0])
        members = (plan.component == v).nonzero()[0]
        members = members[plan.index[members].argsort()]
        rates = [observation.instance_tuples_per_s.get(int(t)) for t in plan.task_id[members]]
        known = [rate for rate in rates if rate is not None]
        if key in profile.key_weights or len(known) < len(rates) or sum(known) <= 0:
            continue
        found[key] = tuple(rate / sum(known) for rate in known)
    return found
