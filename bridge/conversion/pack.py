"""Pack and Repack: their requests and their answer."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from bridge.conversion.context import Asked, asked_from
from bridge.conversion.parsing import parse
from bridge.conversion.plans import plan_from_bytes, plan_to_bytes
from bridge.conversion.reports import report_to_message
from bridge.wire import packing_bridge_pb2 as wire
from packing.bounds import Bound, Bounds, Gaps
from packing.choose import Decision
from packing.errors import InvalidRequest


def pack_from_bytes(data: bytes) -> Asked:
    """Read a PackRequest. Raises InvalidRequest, IncompatibleContract."""
    return asked_from(parse(wire.PackRequest(), data, "the request").context)


def repack_from_bytes(data: bytes) -> Asked:
    """Read a RepackRequest. Raises InvalidRequest, IncompatibleContract."""
    message = parse(wire.RepackRequest(), data, "the request")
    asked = asked_from(message.context)
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


def response_from_decision(
    decision: Decision, took_s: float, current_plan_sha256: bytes, bridge_version: str
) -> wire.PlanResponse:
    """The answer to Pack or Repack."""
    told = report_to_message(
        decision, decision.chosen.planner, decision.enough, took_s, bridge_version
    )
    more = wire.Report(
        current_plan_sha256=current_plan_sha256,
        pareto=[candidate.planner for candidate in decision.pareto],
        bounds=None if decision.bounds is None else _bounds(decision.bounds),
        gaps=None if decision.gaps is None else _gaps(decision.gaps),
        headroom=decision.enough.headroom,
        probability=decision.enough.probability,
    )
    told.MergeFrom(more)
    return wire.PlanResponse(plan=plan_to_bytes(decision.plan), report=told)


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
