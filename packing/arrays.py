"""Types of the arrays that planning works on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def sum_by(group: Ints, values: Floats | Ints, groups: int) -> Floats:
    """Sum of `values` per group, shape (groups,). Exact for whole numbers below 2**53."""
    return np.bincount(group, values, minlength=groups).astype(np.float64, copy=False)
