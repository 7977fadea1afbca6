"""Predict: its request and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.contract import CONTRACT_REVISION
from bridge.conversion.context import Asked, asked_from
from bridge.conversion.parsing import parse
from bridge.conversion.plans import plan_from_bytes, plan_to_bytes
from bridge.conversion.predictions import prediction_to_message
from bridge.conversion.reports import basis_to_messages
from bridge.wire import packing_bridge_pb2 as wire
from packing.errors import Infeasible, InvalidRequest
from packing.plan import Plan
from packing.profile import Basis
from packing.scenario import AS_IT_IS, Outcome, Scenario

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
    asked = asked_from(message.context)
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
