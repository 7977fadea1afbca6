"""Advice: how many instances a rate takes, and what to do about a running topology.

`advise` is the entry: a request and a goal in, the smallest parallelism with a plan out.
"""

from packing.advice.advice import Advice, LoadStep, advise, infeasible
from packing.advice.key_moves import KeyMove, moved_share
from packing.advice.rate_goal import RateGoal

__all__ = ["Advice", "KeyMove", "LoadStep", "RateGoal", "advise", "infeasible", "moved_share"]
