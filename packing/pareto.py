"""The plans of which none is at least as good in everything: what there is to choose between."""

from __future__ import annotations

import numpy as np

from packing.arrays import Floats
from packing.candidate import Candidate

DIGITS = 6
"""Significant digits in which figures count as equal."""


def pareto(candidates: list[Candidate] | tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """The usable candidates that no other one dominates, in the order given.

    Figures: containers, cores, RAM, sustainable load, mean latency, cross traffic, restarts and
    broken preferences. One that is equal to an earlier one in all of them is left out. What is not
    known is unknown of all plans of a request.
    """
    usable = [c for c in candidates if c.usable]
    if not usable:
        return ()
    figures = _rounded(np.array([_figures(c) for c in usable], dtype=np.float64))
    no_worse = (figures[:, None, :] <= figures[None, :, :]).all(axis=2)
    equal = no_worse & no_worse.T
    earlier = np.tri(len(usable), k=-1, dtype=bool).T
    dominated = np.any((no_worse & ~equal) | (equal & earlier), axis=0)
    return tuple(usable[i] for i in np.flatnonzero(~dominated).tolist())


def _figures(candidate: Candidate) -> tuple[float, ...]:
    """Less is better in each."""
    p = candidate.prediction
    assert p is not None
    return (
        p.containers,
        p.cores,
        p.ram_bytes,
        -candidate.sustained,
        0.0 if p.latency is None else p.latency.mean_s,
        p.cross_tuples_per_s,
        candidate.restarts,
        len({v.rule for v in candidate.violations}),
    )


def _rounded(figures: Floats) -> Floats:
    """Each to the same number of significant digits."""
    finite = np.isfinite(figures) & (figures != 0)
    scale = np.ones_like(figures)
    scale[finite] = 10.0 ** (DIGITS - 1 - np.floor(np.log10(np.abs(figures[finite]))))
    return np.where(finite, np.round(figures * scale) / scale, figures)
