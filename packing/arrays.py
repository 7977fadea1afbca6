"""Types of the arrays that planning works on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TINY = 1e-300
"""Least divisor, where nothing is divided by nothing."""


def first_repeated(values: Ints) -> int | None:
    """The smallest value that occurs more than once; None when all differ."""
    ordered = np.sort(values)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    return int(repeated[0]) if len(repeated) else None


def sum_by(group: Ints, values: Floats | Ints, groups: int) -> Floats:
    """Sum of `values` per group, shape (groups,). Exact for whole numbers below 2**53."""
    return np.bincount(group, values, minlength=groups).astype(np.float64, copy=False)
