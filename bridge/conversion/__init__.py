"""Between the wire and the domain: the only package that knows both protobuf and planning.

Everything that arrives is checked here, so that a damaged or contradictory message becomes a
sentence naming the value at fault and never a stack trace.
"""

from bridge.conversion.advise import AskedAdvice, advice_to_response, advise_from_bytes
from bridge.conversion.context import Asked, Options
from bridge.conversion.pack import pack_from_bytes, repack_from_bytes, response_from_decision
from bridge.conversion.plans import plan_from_bytes, plan_to_bytes
from bridge.conversion.predict import (
    MAX_OUTCOMES,
    AskedPrediction,
    outcomes_to_response,
    predict_from_bytes,
)
from bridge.conversion.topologies import GROUPINGS, ParsedTopology, topology_from_bytes

__all__ = [
    "GROUPINGS",
    "MAX_OUTCOMES",
    "Asked",
    "AskedAdvice",
    "AskedPrediction",
    "Options",
    "ParsedTopology",
    "advice_to_response",
    "advise_from_bytes",
    "outcomes_to_response",
    "pack_from_bytes",
    "plan_from_bytes",
    "plan_to_bytes",
    "predict_from_bytes",
    "repack_from_bytes",
    "response_from_decision",
    "topology_from_bytes",
]
