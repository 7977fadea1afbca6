"""The process that workers are forked from, with everything imported that they need.

In a module of its own, because its imports are the longest part of a start: it should be running
before the server loads the rest of itself.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing import forkserver

CONTEXT = multiprocessing.get_context("forkserver")

# Larger pieces of memory go back to the system as soon as they are free.
LARGE_ALLOCATION_BYTES = 256 * 2**10

_ENVIRONMENT = {
    # Workers are the unit of parallelism: threads of a linear algebra library in each of them
    # would only contend, and their buffers cost memory.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(LARGE_ALLOCATION_BYTES),
}


def prepare(answer: str) -> None:
    """Start the process and let it import the module of `answer`, given as `module:function`.

    Returns at once: the import goes on over there. Has an effect on the first call only.
    """
    for variable, value in _ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    CONTEXT.set_forkserver_preload(["bridge.worker_loop", answer.partition(":")[0]])
    forkserver.ensure_running()
