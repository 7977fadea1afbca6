"""Predict what a running topology does under a plan.

`predict` is the one entry: (topology, plan, profile, costs, runtime) -> Prediction. `structure`
prepares a topology for many plans of it, `predict_placed` then takes one plan after the other, and
`predict_counts` what a search would put into the containers before it is a plan.
"""

from packing.model.costs import NO_COSTS, HeronCosts
from packing.model.counts import Classes, Contents
from packing.model.prediction import Prediction, predict, predict_counts, predict_placed
from packing.model.runtime import Runtime
from packing.model.structure import Structure, structure

__all__ = [
    "NO_COSTS",
    "Classes",
    "Contents",
    "HeronCosts",
    "Prediction",
    "Runtime",
    "Structure",
    "predict",
    "predict_counts",
    "predict_placed",
    "structure",
]
