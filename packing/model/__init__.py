"""Predict what a running topology does under a plan.

`predict` is the one entry: (topology, plan, profile) -> Prediction. It holds what follows from
flows and quotas alone; costs of Heron's own processes, queueing and uncertainty join it behind the
same signature.
"""

from packing.model.prediction import Prediction, predict

__all__ = ["Prediction", "predict"]
