"""Predict what a running topology does under a plan.

`predict` is the one entry: (topology, plan, profile, costs, runtime) -> Prediction. `structure`
prepares a topology for many plans of it, `predict_placed` then takes one plan after the other.
"""

from packing.model.costs import NO_COSTS, HeronCosts
from packing.model.prediction import Prediction, predict, predict_placed
from packing.model.runtime import Runtime
from packing.model.structure import Structure, structure

__all__ = [
    "NO_COSTS",
    "HeronCosts",
    "Prediction",
    "Runtime",
    "Structure",
    "predict",
    "predict_placed",
    "structure",
]
