"""The parts of a report that several answers have: candidates, and where numbers come from."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.contract import CONTRACT_REVISION
from bridge.conversion.predictions import disruption_to_message, prediction_to_message
from bridge.wire import packing_bridge_pb2 as wire
from packing.advice import Advice
from packing.choose import Candidate, Decision
from packing.objective import Enough
from packing.planners.repacked import Repacked
from packing.profile import Basis, Source

SOURCES = {
    Source.MEASURED: wire.MEASURED,
    Source.DECLARED: wire.DECLARED,
    Source.ASSUMED: wire.ASSUMED,
}


def basis_to_messages(basis: Sequence[Basis]) -> list[wire.Basis]:
    """Sources of numbers."""
    return [
        wire.Basis(quantity=b.quantity, source=SOURCES[b.source], detail=b.detail) for b in basis
    ]


def report_to_message(
    told: Advice | Decision, chosen: str, enough: Enough, took_s: float, bridge_version: str
) -> wire.Report:
    """What every report says; `chosen` is the name of the candidate that was."""
    return wire.Report(
        candidates=[candidate_to_message(candidate, enough) for candidate in told.candidates],
        chosen=chosen,
        reasons=told.reasons,
        objective=told.objective,
        basis=basis_to_messages(told.basis),
        took_ms=1000 * took_s,
        bridge_version=bridge_version,
        contract_revision=CONTRACT_REVISION,
    )


def candidate_to_message(candidate: Candidate, enough: Enough) -> wire.Candidate:
    """A candidate, with the load that it is sure enough to carry where that was computed."""
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
        message.disruption.CopyFrom(disruption_to_message(candidate.disruption))
    if candidate.repacked is not None:
        message.moves.CopyFrom(_moves(candidate.repacked))
    return message


def _moves(repacked: Repacked) -> wire.MoveCurve:
    return wire.MoveCurve(
        steps=[
            wire.MoveStep(
                moved_instances=step.moved,
                moved_share=step.moved_share,
                sustainable_load_factor=step.sustainable_load_factor,
                cross_tuples_per_s=step.cross_tuples_per_s,
                cross_fraction=step.cross_fraction,
            )
            for step in repacked.curve
        ],
        taken=repacked.taken,
        reason=repacked.reason,
    )
