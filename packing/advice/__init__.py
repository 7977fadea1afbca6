"""Advice: how many instances a rate takes, and what to do about a running topology.

`advise` is the entry: a request and a goal in, the smallest parallelism with a plan out.
"""

from packing.advice.advice import Advice, LoadStep, advise, infeasible
from packing.advice.goal import Goal
from packing.advice.key_moves import KeyMove, moved_share

__all__ = ["Advice", "Goal", "KeyMove", "LoadStep", "advise", "infeasible", "moved_share"]
