"""Between the wire and the domain: the only module that knows both protobuf and planning.

Everything that arrives is checked here, so that a damaged or contradictory message becomes a
sentence naming the value at fault and never a stack trace.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np
from google.protobuf.message import DecodeError, Message

from bridge.contract import CONTRACT_REVISION, check_revision
from bridge.wire import heron_pb2 as heron
from bridge.wire import packing_bridge_pb2 as wire
from packing.advice import Advice, RateGoal
from packing.advice.observation import Observation, Symptom, SymptomKind
from packing.advice.rate_goal import HEADROOM
from packing.advice.resolutions import (
    COOLDOWN_S,
    UPDATE_PAUSE_S,
    Action,
    ActionKind,
    ActionOutcome,
    PastAction,
    Resolutions,
    Timing,
)
from packing.bounds import Bound, Bounds, Gaps
from packing.choose import Candidate, Decision, HeronPlan
from packing.constraints import Constraints, read_constraints
from packing.disruption import Disruption
from packing.errors import Infeasible, InvalidRequest
from packing.model import Prediction
from packing.model.memory import ComponentMemory
from packing.model.uncertainty import Interval, Intervals
from packing.objective import Enough
from packing.plan import Plan
from packing.profile import Basis, Source
from packing.resources import Resources
from packing.scenario import AS_IT_IS, Outcome, Scenario
from packing.scheduler import SchedulerRules, rules_for
from packing.topology import Component, Grouping, Kind, Stream, Topology

GROUPINGS = {
    heron.SHUFFLE: Grouping.SHUFFLE,
    heron.FIELDS: Grouping.FIELDS,
    heron.ALL: Grouping.ALL,
    heron.LOWEST: Grouping.GLOBAL,
    heron.NONE: Grouping.NONE,
    heron.DIRECT: Grouping.DIRECT,
    heron.CUSTOM: Grouping.CUSTOM,
}
SOURCES = {
    Source.MEASURED: wire.MEASURED,
    Source.DECLARED: wire.DECLARED,
    Source.ASSUMED: wire.ASSUMED,
}
INTERVALS = (
    "sustainable_load_factor",
    "throughput_per_s",
    "latency_mean_s",
    "highest_cpu_utilisation",
)
"""Figures that have an interval: names in `Intervals`; on the wire with `_interval` behind."""
SYMPTOMS = {
    wire.BACK_PRESSURE: SymptomKind.BACK_PRESSURE,
    wire.SLOW_INSTANCE: SymptomKind.SLOW_INSTANCE,
    wire.DATA_SKEW: SymptomKind.DATA_SKEW,
    wire.OVER_PROVISIONED: SymptomKind.OVER_PROVISIONED,
    wire.HIGH_LATENCY: SymptomKind.HIGH_LATENCY,
}
ACTIONS = {
    ActionKind.DO_NOTHING: wire.DO_NOTHING,
    ActionKind.SCALE_UP: wire.SCALE_UP,
    ActionKind.SCALE_DOWN: wire.SCALE_DOWN,
    ActionKind.SCALE_TO_ADVICE: wire.SCALE_TO_ADVICE,
    ActionKind.RESTART_INSTANCE: wire.RESTART_INSTANCE,
    ActionKind.MOVE_INSTANCE: wire.MOVE_INSTANCE,
    ActionKind.CHANGE_CONTAINERS: wire.CHANGE_CONTAINERS,
}
ACTION_OUTCOMES = {
    wire.OUTCOME_UNSPECIFIED: ActionOutcome.UNKNOWN,
    wire.HELPED: ActionOutcome.HELPED,
    wire.DID_NOT_HELP: ActionOutcome.DID_NOT_HELP,
}
PARALLELISM_KEY = "topology.component.parallelism"

AnyMessage = TypeVar("AnyMessage", bound=Message)


class _Entry(Protocol):
    key: str
    value: str

    def HasField(self, field_name: str) -> bool: ...  # noqa: N802 - protobuf's name


@dataclass(frozen=True)
class ParsedTopology:
    """A topology and the string-valued keys of its configuration."""

    topology: Topology
    config: Mapping[str, str]


def parse(message: AnyMessage, data: bytes, what: str) -> AnyMessage:
    """Fill `message` from bytes; InvalidRequest naming `what` when they are damaged."""
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise InvalidRequest(
            f"{what} cannot be parsed: its {len(data)} bytes are not a {message.DESCRIPTOR.name} "
            "message; they are truncated or damaged"
        ) from None
    return message


def topology_from_bytes(data: bytes) -> ParsedTopology:
    """Read Heron's serialised Topology. Raises InvalidRequest."""
    if not data:
        raise InvalidRequest("the request has no topology; its bytes are empty")
    message = parse(heron.Topology(), data, "the topology")
    if not message.id:
        raise InvalidRequest(f"the topology {message.name!r} has no id; its bytes may be truncated")
    if not message.name:
        raise InvalidRequest(f"the topology with id {message.id!r} has no name")
    components = [_component(spout.comp, Kind.SPOUT) for spout in message.spouts]
    components += [_component(bolt.comp, Kind.BOLT) for bolt in message.bolts]
    emitted = {
        (output.stream.component_name, output.stream.id)
        for outputs in (*(s.outputs for s in message.spouts), *(b.outputs for b in message.bolts))
        for output in outputs
    }
    streams = [
        _stream(bolt.comp.name, declared, emitted)
        for bolt in message.bolts
        for declared in bolt.inputs
    ]
    return ParsedTopology(
        Topology(message.id, message.name, tuple(components), tuple(streams)),
        _entries(message.topology_config.kvs),
    )


def _entries(entries: Iterable[_Entry]) -> dict[str, str]:
    # Heron takes the first of several entries with one key (TopologyUtils.getConfigWithDefault).
    found: dict[str, str] = {}
    for entry in entries:
        if entry.HasField("value"):
            found.setdefault(entry.key, entry.value)
    return found


def _component(message: heron.Component, kind: Kind) -> Component:
    if not message.name:
        raise InvalidRequest(f"a {kind.value} of the topology has no name")
    text = _entries(message.config.kvs).get(PARALLELISM_KEY)
    if text is None:
        raise InvalidRequest(f"component {message.name!r} states no {PARALLELISM_KEY}")
    try:
        parallelism = int(text.strip())
    except ValueError:
        raise InvalidRequest(
            f"component {message.name!r} has {PARALLELISM_KEY} {text!r}, which is not a number"
        ) from None
    return Component(message.name, kind, parallelism)


def _stream(target: str, declared: heron.InputStream, emitted: set[tuple[str, str]]) -> Stream:
    source, stream_id = declared.stream.component_name, declared.stream.id
    grouping = GROUPINGS.get(declared.gtype)
    if grouping is None:
        known = ", ".join(f"{value.name} = {number}" for number, value in GROUPINGS.items())
        stated = f"grouping {declared.gtype}" if declared.HasField("gtype") else "no grouping"
        raise InvalidRequest(
            f"stream {stream_id!r} of {source!r} into {target!r} has {stated}, which Heron does "
            f"not define; it defines {known}"
        )
    if (source, stream_id) not in emitted:
        offered = ", ".join(sorted(f"{s} of {c}" for c, s in emitted)) or "none"
        raise InvalidRequest(
            f"{target!r} reads stream {stream_id!r} of {source!r}, which no component emits; "
            f"emitted are {offered}"
        )
    return Stream(source, target, stream_id, grouping)


def plan_from_bytes(data: bytes, topology: Topology, what: str) -> Plan:
    """Read Heron's serialised PackingPlan for `topology`. Raises InvalidRequest naming `what`."""
    if not data:
        raise InvalidRequest(f"{what} is missing; its bytes are empty")
    message = parse(heron.PackingPlan(), data, what)
    names = topology.names
    position = dict(topology.position)
    component: list[int] = []
    task_id: list[int] = []
    index: list[int] = []
    container_id: list[int] = []
    sizes: list[tuple[float, int, int]] = []
    ids: list[int] = []
    container_sizes: list[tuple[float, int, int]] = []
    scheduled: dict[int, Resources] = {}
    for container in message.container_plans:
        if not container.HasField("id"):
            raise InvalidRequest(f"{what} has a container without an id")
        this = container.id
        ids.append(this)
        container_sizes.append(_amounts(container.requiredResource, f"container {this} of {what}"))
        if container.HasField("scheduledResource"):
            granted = _amounts(container.scheduledResource, f"container {this} of {what}")
            scheduled[this] = Resources(*granted)
        for instance in container.instance_plans:
            name = instance.component_name
            known = position.get(name)
            if known is None:
                raise InvalidRequest(
                    f"{what} has an instance of component {name!r}, which the topology does not "
                    f"have; it has {', '.join(sorted(names))}"
                )
            if not (instance.HasField("task_id") and instance.HasField("component_index")):
                raise InvalidRequest(
                    f"an instance of {name!r} in container {this} of {what} lacks its task id or "
                    "component index"
                )
            component.append(known)
            task_id.append(instance.task_id)
            index.append(instance.component_index)
            container_id.append(this)
            resource = instance.resource
            sizes.append((resource.cpu, resource.ram, resource.disk))
    if not component:
        raise InvalidRequest(f"{what} has no instances")
    if not all(np.isfinite(size[0]) for size in sizes):
        raise InvalidRequest(f"{what} has an instance whose CPU is not a finite number")
    cpu, ram, disk = zip(*sizes, strict=True)
    container_cpu, container_ram, container_disk = zip(*container_sizes, strict=True)
    try:
        return Plan.of(
            message.id,
            names,
            (component, task_id, index, container_id),
            (np.array(cpu), np.array(ram, dtype=np.int64), np.array(disk, dtype=np.int64)),
            ids,
            (
                np.array(container_cpu),
                np.array(container_ram, dtype=np.int64),
                np.array(container_disk, dtype=np.int64),
            ),
            scheduled or None,
        )
    except InvalidRequest as error:
        raise InvalidRequest(f"{what} cannot be: {error}") from None


def _amounts(resource: heron.Resource, whose: str) -> tuple[float, int, int]:
    if not np.isfinite(resource.cpu) or min(resource.cpu, resource.ram, resource.disk) < 0:
        raise InvalidRequest(
            f"{whose} has {resource.cpu} cores, {resource.ram} bytes of RAM and {resource.disk} of "
            "disk; none may be negative or infinite"
        )
    return resource.cpu, resource.ram, resource.disk


def plan_to_bytes(plan: Plan) -> bytes:
    """Heron's PackingPlan of a plan, deterministic."""
    message = heron.PackingPlan(id=plan.topology_id)
    containers = []
    for this, cpu, ram, disk in zip(
        plan.container_ids.tolist(),
        plan.container_cpu_cores.tolist(),
        plan.container_ram_bytes.tolist(),
        plan.container_disk_bytes.tolist(),
        strict=True,
    ):
        container = message.container_plans.add(id=this)
        _fill(container.requiredResource, cpu, ram, disk)
        containers.append(container)
    names = plan.components
    for component, task_id, index, position, cpu, ram, disk in zip(
        plan.component.tolist(),
        plan.task_id.tolist(),
        plan.index.tolist(),
        plan.container.tolist(),
        plan.cpu_cores.tolist(),
        plan.ram_bytes.tolist(),
        plan.disk_bytes.tolist(),
        strict=True,
    ):
        instance = containers[position].instance_plans.add(
            component_name=names[component], task_id=task_id, component_index=index
        )
        _fill(instance.resource, cpu, ram, disk)
    return message.SerializeToString(deterministic=True)


def _fill(resource: heron.Resource, cpu: float, ram: int, disk: int) -> None:
    resource.cpu = cpu
    resource.ram = ram
    resource.disk = disk


@dataclass(frozen=True)
class Options:
    """What the operator chose."""

    objective: str = ""
    target_rate_per_s: float = 0.0
    """Tuples/s over all spout instances; 0: not stated."""
    profile: str = ""
    containers_free: bool = False
    headroom: float | None = None
    """Share of load beyond the offered one; None: not stated."""
    probability: float | None = None
    effort: str = ""
    spread_components: bool | None = None


@dataclass(frozen=True)
class Asked:
    """A Pack or Repack request in domain terms, before a profile is known."""

    topology: Topology
    constraints: Constraints
    scheduler: SchedulerRules
    heron: HeronPlan | None
    """Heron's own answer; None when the request brought none."""
    options: Options
    caller: Mapping[str, str]
    """For logs: who asks."""
    dry_run: bool
    current: Plan | None = None
    current_plan_sha256: bytes = b""
    deltas: Mapping[str, int] = field(default_factory=dict)
    container_count: int | None = None


def pack_from_bytes(data: bytes) -> Asked:
    """Read a PackRequest. Raises InvalidRequest, IncompatibleContract."""
    return _asked(parse(wire.PackRequest(), data, "the request").context)


def repack_from_bytes(data: bytes) -> Asked:
    """Read a RepackRequest. Raises InvalidRequest, IncompatibleContract."""
    message = parse(wire.RepackRequest(), data, "the request")
    asked = _asked(message.context)
    digest = hashlib.sha256(message.current_plan).digest()
    if message.current_plan_sha256 and message.current_plan_sha256 != digest:
        raise InvalidRequest(
            f"the current plan's bytes have SHA-256 {digest.hex()}, the request states "
            f"{message.current_plan_sha256.hex()}; the plan was damaged on its way"
        )
    return replace(
        asked,
        current=plan_from_bytes(message.current_plan, asked.topology, "the current plan"),
        current_plan_sha256=digest,
        deltas=dict(message.component_deltas),
        container_count=message.container_count or None,
    )


MAX_OUTCOMES = 1000
"""More plans times scenarios in one call are refused."""


@dataclass(frozen=True)
class AskedPrediction:
    """A Predict request in domain terms, before a profile is known."""

    asked: Asked
    """Topology, constraints, options, and Heron's plan where the request brought one."""
    plans: tuple[Plan, ...]
    """May be empty."""
    scenarios: tuple[Scenario, ...]
    """At least one."""


def predict_from_bytes(data: bytes) -> AskedPrediction:
    """Read a PredictRequest. Raises InvalidRequest, IncompatibleContract."""
    message = parse(wire.PredictRequest(), data, "the request")
    asked = _asked(message.context)
    outcomes = max(1, len(message.plans)) * max(1, len(message.scenarios))
    if outcomes > MAX_OUTCOMES:
        raise InvalidRequest(
            f"{len(message.plans)} plans under {len(message.scenarios)} scenarios are {outcomes} "
            f"predictions; ask for {MAX_OUTCOMES} at most in one call"
        )
    plans = tuple(
        plan_from_bytes(plan, asked.topology, f"plan {i}") for i, plan in enumerate(message.plans)
    )
    for i, plan in enumerate(plans):
        if plan.topology_id != asked.topology.topology_id:
            raise InvalidRequest(
                f"plan {i} is of topology {plan.topology_id!r}, the request is for "
                f"{asked.topology.topology_id!r}"
            )
    scenarios = tuple(_scenario(scenario) for scenario in message.scenarios)
    return AskedPrediction(asked, plans, scenarios or (AS_IT_IS,))


def _scenario(message: wire.Scenario) -> Scenario:
    return Scenario(
        message.name,
        message.rate_factor or 1.0,
        dict(message.parallelism),
        message.container_count or None,
        message.container_cpu_factor or 1.0,
        message.container_ram_factor or 1.0,
        dict(message.service_time_factor),
        tuple(message.lost_containers),
    )


def outcomes_to_response(
    outcomes: Sequence[tuple[int, Scenario, Outcome | Infeasible]],
    basis: Sequence[Basis],
    own_plan: Plan | None,
    bridge_version: str,
) -> wire.PredictResponse:
    """The answer to Predict; `own_plan` where the request named none."""
    response = wire.PredictResponse(
        basis=basis_to_messages(basis),
        plan=b"" if own_plan is None else plan_to_bytes(own_plan),
        bridge_version=bridge_version,
        contract_revision=CONTRACT_REVISION,
    )
    for index, scenario, outcome in outcomes:
        message = response.outcomes.add(plan_index=index, scenario=scenario.title)
        if isinstance(outcome, Infeasible):
            message.failure = str(outcome)
            continue
        message.prediction.MergeFrom(prediction_to_message(outcome.prediction, outcome.intervals))
        if scenario.changes_plan:
            message.plan = plan_to_bytes(outcome.situation.plan)
    return response


@dataclass(frozen=True)
class AskedAdvice:
    """An Advise request in domain terms, before a profile is known."""

    asked: Asked
    """Topology, constraints and options; with the running plan, if any."""
    rate_per_s: float
    """0: what was observed."""
    headroom: float
    probability: float | None
    latency_p99_limit_s: float | None
    container_count: int | None
    observation: Observation
    past: tuple[PastAction, ...]
    timing: Timing

    def goal(self, rate_per_s: float) -> RateGoal:
        """What is asked for at a rate. Raises InvalidRequest."""
        return RateGoal(
            rate_per_s,
            self.headroom,
            self.probability,
            self.latency_p99_limit_s,
            self.container_count,
        )


def advise_from_bytes(data: bytes) -> AskedAdvice:
    """Read an AdviseRequest. Raises InvalidRequest, IncompatibleContract."""
    message = parse(wire.AdviseRequest(), data, "the request")
    asked = _asked(message.context)
    if message.current_plan:
        current = plan_from_bytes(message.current_plan, asked.topology, "the current plan")
        asked = replace(asked, current=current)
    observation = _observation(message)
    seen = observation != Observation()
    if asked.current is None and (seen or message.past_actions):
        raise InvalidRequest(
            "observations and past actions were stated without the current plan that they are of; "
            "send its bytes as current_plan"
        )
    if not message.rate_per_s and not seen:
        raise InvalidRequest(
            "the rate is 0 tuples/s; state the tuples per second over all instances of the "
            "spouts, or what the spouts of a running topology were observed to emit"
        )
    return AskedAdvice(
        asked,
        message.rate_per_s,
        message.headroom if message.HasField("headroom") else HEADROOM,
        message.probability if message.HasField("probability") else None,
        message.latency_p99_limit_s or None,
        message.container_count or None,
        observation,
        tuple(_past_action(past, asked.topology) for past in message.past_actions),
        Timing(
            message.now_s,
            message.cooldown_s or COOLDOWN_S,
            message.update_pause_s or UPDATE_PAUSE_S,
        ),
    )


def _observation(message: wire.AdviseRequest) -> Observation:
    components, instances = message.components, message.instances
    symptoms = [_symptom(symptom) for symptom in message.symptoms]
    for this in instances:
        if this.back_pressure_share:
            share = this.back_pressure_share
            symptoms.append(Symptom(SymptomKind.BACK_PRESSURE, "", (this.task_id,), share))
    return Observation(
        {c.component: c.tuples_per_s for c in components if c.HasField("tuples_per_s")},
        {c.component: c.service_s for c in components if c.HasField("service_s")},
        {i.task_id: i.tuples_per_s for i in instances if i.HasField("tuples_per_s")},
        {i.task_id: i.service_s for i in instances if i.HasField("service_s")},
        tuple(symptoms),
    )


def _symptom(message: wire.Symptom) -> Symptom:
    kind = SYMPTOMS.get(message.kind)
    if kind is None:
        raise InvalidRequest(
            f"symptom {message.kind} does not exist; there are "
            f"{', '.join(f'{known.name} = {number}' for number, known in SYMPTOMS.items())}"
        )
    return Symptom(kind, message.component, tuple(message.task_ids), message.back_pressure_share)


def _past_action(message: wire.PastAction, topology: Topology) -> PastAction:
    kind = next((kind for kind, number in ACTIONS.items() if number == message.kind), None)
    outcome = ACTION_OUTCOMES.get(message.outcome)
    if kind is None or outcome is None:
        raise InvalidRequest(
            f"past action {message.fingerprint!r} has kind {message.kind} and outcome "
            f"{message.outcome}; one of them does not exist"
        )
    for name in (*message.before, *message.after):
        if name not in topology.position:
            raise InvalidRequest(
                f"past action {message.fingerprint!r} names component {name!r}, which the "
                f"topology does not have; it has {', '.join(topology.names)}"
            )
    if not math.isfinite(message.at_s):
        raise InvalidRequest(f"past action {message.fingerprint!r} was at {message.at_s} s")
    return PastAction(
        message.fingerprint,
        kind,
        message.at_s,
        outcome,
        dict(message.before),
        dict(message.after),
    )


def advice_to_response(
    advice: Advice,
    resolutions: Resolutions | None,
    enough: Enough,
    took_s: float,
    bridge_version: str,
) -> wire.AdviseResponse:
    """The answer to Advise; actions where a plan runs."""
    response = wire.AdviseResponse(
        parallelism=dict(advice.parallelism),
        plan=b"" if advice.plan is None else plan_to_bytes(advice.plan),
        report=wire.Report(
            candidates=[_candidate(candidate, enough) for candidate in advice.candidates],
            chosen=advice.planner,
            reasons=advice.reasons,
            objective=advice.objective,
            basis=basis_to_messages(advice.basis),
            took_ms=1000 * took_s,
            bridge_version=bridge_version,
            contract_revision=CONTRACT_REVISION,
        ),
        probability=advice.probability,
        impossible=advice.impossible,
        highest_rate_per_s=advice.highest_rate_per_s or 0.0,
        rate_per_s=advice.goal.rate_per_s,
        steps=[
            wire.LoadStep(
                load_factor=step.load_factor,
                rate_per_s=step.rate_per_s,
                parallelism=dict(step.parallelism),
                containers=step.containers,
                cores=step.cores,
                ram_bytes=step.ram_bytes,
                impossible=step.impossible,
            )
            for step in advice.steps
        ],
        key_moves=[
            wire.KeyMove(
                source=move.source,
                stream=move.stream_id,
                component=move.component,
                to=move.after,
                moved_share=move.moved_share,
                **{"from": move.before},
            )
            for move in advice.key_moves
        ],
        actions=[_action(a) for a in ([] if resolutions is None else resolutions.actions)],
    )
    if advice.prediction is not None:
        response.prediction.CopyFrom(prediction_to_message(advice.prediction, advice.intervals))
    return response


def _action(action: Action) -> wire.Action:
    message = wire.Action(
        kind=ACTIONS[action.kind],
        fingerprint=action.fingerprint,
        description=action.description,
        parallelism=dict(action.parallelism),
        task_ids=action.task_ids,
        container_id=action.container_id or 0,
        plan=b"" if action.plan is None else plan_to_bytes(action.plan),
        downtime_s=action.downtime_s,
        probability=action.probability,
        chosen=action.chosen,
        reasons=action.reasons,
    )
    if action.prediction is not None:
        message.prediction.CopyFrom(prediction_to_message(action.prediction))
    if action.disruption is not None:
        message.disruption.CopyFrom(_disruption(action.disruption))
    return message


def _asked(context: wire.PlanningContext) -> Asked:
    caller = context.caller
    check_revision(caller.contract_revision)
    parsed = topology_from_bytes(context.topology)
    return Asked(
        topology=parsed.topology,
        constraints=read_constraints(parsed.config, parsed.topology.names, dict(context.config)),
        scheduler=rules_for(caller.scheduler_class),
        heron=_heron_plan(context.fallback, parsed.topology),
        options=_options(context.options),
        caller={
            "cluster": caller.cluster,
            "role": caller.role,
            "environ": caller.environ,
            "software": caller.software,
            "flavour": caller.heron_flavour,
        },
        dry_run=context.dry_run,
    )


def _options(message: wire.Options) -> Options:
    if message.containers not in ("", "fixed", "free"):
        raise InvalidRequest(
            f"heron.packing.bridge.containers is {message.containers!r}; use fixed or free"
        )
    if not math.isfinite(message.target_rate_per_s) or message.target_rate_per_s < 0:
        raise InvalidRequest(
            f"heron.packing.bridge.target.rate is {message.target_rate_per_s} tuples/s; it must "
            "be above 0"
        )
    return Options(
        message.objective,
        message.target_rate_per_s,
        message.profile,
        message.containers == "free",
        message.headroom if message.HasField("headroom") else None,
        message.probability if message.HasField("probability") else None,
        message.effort,
        message.spread_components if message.HasField("spread_components") else None,
    )


def _heron_plan(fallback: wire.FallbackPlan, topology: Topology) -> HeronPlan | None:
    """The fallback's plan as a candidate.

    A fallback whose plan cannot be read is a candidate without a plan: the request still has an
    answer.
    """
    took_s = fallback.took_ms / 1000
    if not fallback.plan:
        return HeronPlan(None, fallback.failure, took_s) if fallback.failure else None
    try:
        plan = plan_from_bytes(fallback.plan, topology, f"the plan of {fallback.packing_class}")
    except InvalidRequest as error:
        return HeronPlan(None, str(error), took_s)
    return HeronPlan(plan, "", took_s)


def response_from_decision(
    decision: Decision, took_s: float, current_plan_sha256: bytes, bridge_version: str
) -> wire.PlanResponse:
    """The answer to Pack or Repack."""
    return wire.PlanResponse(
        plan=plan_to_bytes(decision.plan),
        report=wire.Report(
            candidates=[_candidate(c, decision.enough) for c in decision.candidates],
            chosen=decision.chosen.planner,
            reasons=decision.reasons,
            objective=decision.objective,
            basis=basis_to_messages(decision.basis),
            took_ms=1000 * took_s,
            current_plan_sha256=current_plan_sha256,
            bridge_version=bridge_version,
            contract_revision=CONTRACT_REVISION,
            pareto=[candidate.planner for candidate in decision.pareto],
            bounds=None if decision.bounds is None else _bounds(decision.bounds),
            gaps=None if decision.gaps is None else _gaps(decision.gaps),
            headroom=decision.enough.headroom,
            probability=decision.enough.probability,
        ),
    )


def _bounds(bounds: Bounds) -> wire.Bounds:
    highest = bounds.sustainable_load_factor
    return wire.Bounds(
        containers=_bound(bounds.containers),
        cross_tuples_per_s=_bound(bounds.cross_tuples_per_s),
        sustainable_load_factor=None if highest is None else _bound(highest),
        disturbed_instances=_bound(bounds.disturbed_instances),
    )


def _bound(bound: Bound) -> wire.Bound:
    return wire.Bound(value=bound.value, how=bound.how)


def _gaps(gaps: Gaps) -> wire.Gaps:
    return wire.Gaps(
        containers=gaps.containers,
        cross_fraction=gaps.cross_fraction,
        sustainable_load=gaps.sustainable_load,
        disturbed_instances=gaps.disturbed_instances,
    )


def basis_to_messages(basis: Sequence[Basis]) -> list[wire.Basis]:
    """Sources of numbers."""
    return [
        wire.Basis(quantity=b.quantity, source=SOURCES[b.source], detail=b.detail) for b in basis
    ]


def _candidate(candidate: Candidate, enough: Enough) -> wire.Candidate:
    message = wire.Candidate(
        planner=candidate.planner, failure=candidate.failure, took_ms=1000 * candidate.took_s
    )
    if candidate.prediction is not None:
        message.prediction.CopyFrom(
            prediction_to_message(candidate.prediction, candidate.intervals)
        )
    if candidate.intervals is not None:
        message.assured_load_factor = enough.assured(candidate.intervals.sustainable_draws)
    if candidate.disruption is not None:
        message.disruption.CopyFrom(_disruption(candidate.disruption))
    return message


def prediction_to_message(
    prediction: Prediction, intervals: Intervals | None = None
) -> wire.Prediction:
    """A prediction on the wire, with the intervals of its figures where they were computed."""
    when = prediction.latency
    message = wire.Prediction(
        sustainable_load_factor=prediction.sustainable_load_factor,
        bottleneck=prediction.bottleneck,
        traffic_tuples_per_s=prediction.traffic_tuples_per_s,
        cross_tuples_per_s=prediction.cross_tuples_per_s,
        cross_fraction=prediction.cross_fraction,
        containers=prediction.containers,
        cores=prediction.cores,
        ram_bytes=prediction.ram_bytes,
        load_max_over_mean=prediction.load_max_over_mean,
        highest_cpu_utilisation=prediction.highest_cpu_utilisation,
        stream_manager_max_tuples_per_s=prediction.stream_manager_max_tuples_per_s,
        latency_mean_s=None if when is None else when.mean_s,
        latency_p99_s=None if when is None else when.p99_s,
        delivered_load_factor=prediction.delivered_load_factor,
        throughput_per_s=prediction.throughput_per_s,
        runner_up=prediction.runner_up,
        latency_p50_s=None if when is None else when.p50_s,
        back_pressure_share=prediction.back_pressure_share,
        container_cpu_cores=prediction.container_cpu_cores,
        memory=[_memory(component) for component in prediction.memory],
        risks=prediction.risks,
    )
    if intervals is not None:
        for name in INTERVALS:
            found: Interval = getattr(intervals, name)
            getattr(message, f"{name}_interval").MergeFrom(
                wire.Interval(
                    low=found.low, median=found.median, high=found.high, level=found.level
                )
            )
    return message


def _memory(of: ComponentMemory) -> wire.ComponentMemory:
    return wire.ComponentMemory(
        component=of.component,
        used_bytes=of.used_bytes,
        granted_bytes=of.granted_bytes,
        heap_bytes=of.heap_bytes,
        live_bytes=of.live_bytes,
        gc_share=of.gc_share,
        enough_bytes=of.enough_bytes,
    )


def _disruption(disruption: Disruption) -> wire.Disruption:
    return wire.Disruption(
        moved_instances=disruption.restarted_instances,
        started_instances=disruption.started_instances,
        stopped_instances=disruption.stopped_instances,
        containers_added=disruption.containers_added,
        containers_removed=disruption.containers_removed,
    )
