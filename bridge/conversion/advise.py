"""Advise: its request and its answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bridge.conversion.context import Asked, asked_from
from bridge.conversion.parsing import parse
from bridge.conversion.plans import plan_from_bytes, plan_to_bytes
from bridge.conversion.predictions import disruption_to_message, prediction_to_message
from bridge.conversion.reports import report_to_message
from bridge.wire import packing_bridge_pb2 as wire
from packing.advice import Advice, RateGoal
from packing.advice.actions import (
    COOLDOWN_S,
    UPDATE_PAUSE_S,
    Action,
    ActionKind,
    ActionOutcome,
    PastAction,
    Timing,
)
from packing.advice.observation import Observation, Symptom, SymptomKind
from packing.advice.rate_goal import HEADROOM
from packing.advice.resolutions import Resolutions
from packing.errors import InvalidRequest
from packing.objective import Enough
from packing.topology import Topology

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
    asked = asked_from(message.context)
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
        report=report_to_message(advice, advice.planner, enough, took_s, bridge_version),
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
        message.disruption.CopyFrom(disruption_to_message(action.disruption))
    return message
