"""The compiled inner loops of the search, `kernel.c`, as functions on arrays.

C through ctypes: a compiler for Python would cost every process that plans a second of start and
tens of MB. The library is built when the package is installed (`hatch_build.py`).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from packing.arrays import Floats, Ints
from packing.errors import PackingError
from packing.search.problem import PackingProblem

LIBRARY = f"{__file__.removesuffix('kernel.py')}libkernel.so"
BUILD = "python hatch_build.py"
LARGEST_EXACT = 32
"""Instances up to which `exact` may be asked."""

_LIMIT_REACHED = 3
_STATUS = {1: "out of memory", 2: "the state to start from is not feasible"}


class KernelMissing(PackingError):
    """The compiled library is not there."""


@dataclass(frozen=True, eq=False)
class Aim:
    """What a state is worth.

    `local_weight * local traffic - sum over containers and soft dimensions of
    penalty * max(0, load - load_cap)^2 - price of the survivors moved`.
    """

    local_weight: float = 1.0
    load_cap: Floats | float = math.inf
    """Load from which a container is penalised; broadcast to (C, L)."""
    penalty: Floats | float = 0.0
    """Per square of load above it; broadcast to (L,)."""


TRAFFIC = Aim()
"""Traffic alone."""


def value(problem: PackingProblem, counts: Ints, aim: Aim = TRAFFIC) -> float:
    """What a state is worth; it may be infeasible."""
    found = ctypes.c_double()
    given = _Given(problem, aim)
    _check(_library().value_of(given.pointer, _pointer(given.state(counts)), ctypes.byref(found)))
    return found.value + given.offset


def anneal(  # noqa: PLR0917 - a schedule is its figures
    problem: PackingProblem,
    counts: Ints,
    aim: Aim,
    steps: int,
    hot: float,
    cold: float,
    seed: int,
    active: Sequence[int] | Ints | None = None,
    target: float = math.inf,
) -> tuple[Ints, float]:
    """The best state met by simulated annealing from a feasible one, and what it is worth.

    A step proposes to exchange two instances or to move one, and takes it with probability
    exp(gain / temperature); temperatures fall geometrically from `hot` to `cold`, in units of
    worth. Only containers in `active` are touched. Ends early at a worth of `target`.
    """
    given = _Given(problem, aim)
    state = given.state(counts)
    if active is None:
        places = np.arange(problem.container_count, dtype=np.int32)
    else:
        places = np.ascontiguousarray(active, dtype=np.int32)
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < problem.container_count:
        raise ValueError(f"active containers must be from 0 to {problem.container_count - 1}")
    found = ctypes.c_double()
    status = _library().anneal(
        given.pointer, _pointer(state), _pointer(places), len(places), steps,
        hot, max(cold, hot * 1e-12), target - given.offset, seed & (2**64 - 1),
        ctypes.byref(found),
    )  # fmt: skip
    _check(status)
    return _matrix(state), found.value + given.offset


def exact(
    problem: PackingProblem, aim: Aim, nodes: int, start: Ints | None = None
) -> tuple[Ints | None, float, bool]:
    """The best of all states: it, its worth, and whether that is proved within `nodes`.

    Nothing is found when no state is feasible, or none within `nodes`. With `start` only better
    states are looked for, and `start` is what is returned without one. For up to `LARGEST_EXACT`
    instances.
    """
    if problem.instance_count > LARGEST_EXACT:
        return start, -math.inf if start is None else value(problem, start, aim), False
    given = _Given(problem, aim)
    state = given.state(np.zeros((problem.class_count, problem.container_count), np.int64))
    worth = ctypes.c_double(math.nan)
    if start is not None:
        state[:] = start.T
        worth.value = value(problem, start, aim) - given.offset
    status = _library().exact(
        given.pointer, _pointer(state), given.uniform, nodes, ctypes.byref(worth)
    )
    proved = status != _LIMIT_REACHED
    if proved:
        _check(status)
    if math.isnan(worth.value):
        return None, -math.inf, proved
    return _matrix(state), worth.value + given.offset, proved


FIRST_FIT, LEAST_LOADED, MOST_ATTRACTED, TIGHTEST = range(4)
"""Rules of `fill`: the first container with room; the least loaded; the one that keeps most
traffic; the one that is left with least of what is scarcest."""


def fill(
    problem: PackingProblem,
    counts: Ints,
    order: Sequence[int] | Ints,
    rule: int,
    *,
    weight: Floats | None = None,
    one_each: bool = False,
) -> tuple[Ints, Ints]:
    """Place what `counts` lacks, class by class in `order`; the state, and what found no room (K,).

    `weight` makes the soft dimensions comparable, (L,); the worst one counts. With `one_each` an
    entry of `order` stands for one instance, not for all of its class.
    """
    given = _Given(problem, TRAFFIC)
    state = given.state(counts)
    left = np.ascontiguousarray(problem.supply - counts.sum(axis=1), dtype=np.int32)
    if bool((left < 0).any()):
        raise ValueError("the state holds more instances than there are")
    classes = np.ascontiguousarray(order, dtype=np.int32)
    if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < problem.class_count:
        raise ValueError(f"classes must be from 0 to {problem.class_count - 1}")
    weights = np.ones(problem.load.shape[1]) if weight is None else weight
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    status = _library().fill(
        given.pointer, _pointer(state), _pointer(left), _pointer(classes), len(classes),
        one_each, rule,
        _pointer(weights),
    )  # fmt: skip
    _check(status)
    return _matrix(state), left.astype(np.int64)


def best_content(
    problem: PackingProblem, price: Floats, nodes: int, at_least: float = -math.inf
) -> tuple[Ints | None, float, bool]:
    """The content (K,) of the first container that maximises local traffic less prices (K,).

    Exact, by branch and bound: found, what it is worth, and whether nothing is worth more. Only
    contents worth more than `at_least` are looked for; None when none is found.
    """
    given = _Given(problem, TRAFFIC)
    content = np.zeros(problem.class_count, dtype=np.int32)
    prices = np.ascontiguousarray(price, dtype=np.float64)
    worth = ctypes.c_double(at_least)
    status = _library().best_content(
        given.pointer, _pointer(prices), nodes, _pointer(content), ctypes.byref(worth)
    )
    proved = status != _LIMIT_REACHED
    if proved:
        _check(status)
    if not content.any():
        return None, at_least, proved
    return content.astype(np.int64), worth.value, proved


@dataclass(frozen=True, eq=False)
class Columns:
    """The solution of a configuration LP."""

    contents: Ints
    """Counts per class of each content in use; (columns, K)."""
    times: Floats
    """How many containers have it, in fractions; (columns,)."""
    prices: Floats
    """Traffic that one more instance of each class, and one more container, would keep; (K + 1,)"""
    value: float
    """Traffic kept, tuples/s."""
    gap: float
    """How much more one container's best content is worth than its price, at most: `value +
    C * gap` bounds what any state keeps. Infinite when that is not proved."""
    complete: bool
    """Whether the contents use up all instances and containers."""


def configurations(problem: PackingProblem, given: Ints, rounds: int, nodes: int) -> Columns:
    """Solve the configuration LP of containers that are all like the first.

    `given` are contents to begin with, (n, K); `nodes` the branch and bound nodes per proof that no
    content is worth more, 0 to do without.
    """
    k = problem.class_count
    size = len(given) + 64 * (k + 4)
    pool = np.zeros((size, k), dtype=np.int32)
    pool[: len(given)] = given
    basis = np.zeros(k + 1, dtype=np.int32)
    level, dual = np.zeros(k + 1), np.zeros(k + 1)
    kept, gap = ctypes.c_double(), ctypes.c_double()
    arrays = _Given(problem, TRAFFIC)
    status = _library().configurations(
        arrays.pointer, _pointer(pool), size, len(given), rounds, nodes,
        _pointer(basis), _pointer(level), _pointer(dual), ctypes.byref(kept), ctypes.byref(gap),
    )  # fmt: skip
    _check(status)
    real = (basis >= 0) & (level > 1e-9)
    return Columns(
        pool[basis[real]].astype(np.int64),
        level[real],
        dual,
        kept.value,
        gap.value,
        not bool((level[basis < 0] > 1e-6).any()),
    )


class _Problem(ctypes.Structure):
    """`Problem` of kernel.c."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("classes", "containers", "dims", "loads")),
        ("components", ctypes.c_int32),
        *(
            (name, ctypes.c_void_p)
            for name in (
                "traffic", "supply", "needs", "capacity", "most", "load", "component_of", "spread",
                "home", "move_price",
            )
        ),
        ("local_weight", ctypes.c_double),
        ("load_cap", ctypes.c_void_p),
        ("penalty", ctypes.c_void_p),
    )  # fmt: skip


class _Arrays:
    """A problem's arrays as the kernel takes them, and what the rest of `_Problem` follows from."""

    def __init__(self, problem: PackingProblem) -> None:
        arrays: dict[str, NDArray[Any]] = {
            "traffic": _floats(problem.traffic),
            "supply": _ints(problem.supply),
            "needs": _floats(problem.needs),
            "capacity": _floats(problem.capacity),
            "most": _ints(problem.most),
            "load": _floats(problem.load),
            "component_of": _ints(problem.component_of),
        }
        components = int(problem.component_of.max(initial=-1)) + 1
        if problem.spread is not None:
            components = max(components, len(problem.spread))
            spread = np.zeros(components, dtype=np.uint8)
            spread[: len(problem.spread)] = problem.spread
            arrays["spread"] = spread
        self.offset = 0.0
        if problem.home is not None:
            arrays["home"] = _ints(problem.home.T)
            arrays["move_price"] = _floats(problem.move_price)
            # The kernel counts those that have to stop as gone; they cost nothing.
            stopped = np.maximum(problem.home.sum(axis=1) - problem.supply, 0)
            self.offset = float(stopped @ problem.move_price)
        self.loads = problem.load.shape[1]
        self._arrays = arrays  # kept alive for their addresses
        self.fields: dict[str, int] = {
            "classes": problem.class_count,
            "containers": problem.container_count,
            "dims": problem.needs.shape[1],
            "loads": self.loads,
            "components": components,
            **{name: array.ctypes.data for name, array in arrays.items()},
        }


_arrays: WeakKeyDictionary[PackingProblem, _Arrays] = WeakKeyDictionary()
"""Of the problems that are alive: each is given to the kernel many times."""


class _Given:
    """A problem and an aim as the kernel takes them; keeps the arrays alive."""

    def __init__(self, problem: PackingProblem, aim: Aim) -> None:
        arrays = _arrays.get(problem)
        if arrays is None:
            arrays = _arrays[problem] = _Arrays(problem)
        self._problem, self._arrays = problem, arrays
        self.offset = arrays.offset
        self._load_cap = np.empty((problem.container_count, arrays.loads))
        self._load_cap[:] = aim.load_cap
        self._penalty = np.empty(arrays.loads)
        self._penalty[:] = aim.penalty
        self._struct = _Problem(
            **arrays.fields,
            local_weight=aim.local_weight,
            load_cap=self._load_cap.ctypes.data,
            penalty=self._penalty.ctypes.data,
        )
        self.pointer = ctypes.byref(self._struct)

    @property
    def uniform(self) -> bool:
        """Whether all containers are alike, and loaded up to the same."""
        return self._problem.uniform and bool((self._load_cap == self._load_cap[:1]).all())

    def state(self, counts: Ints) -> NDArray[np.int32]:
        """A copy of counts (K, C) as the kernel keeps them, (C, K)."""
        shape = self._problem.class_count, self._problem.container_count
        if counts.shape != shape:
            raise ValueError(f"counts have shape {counts.shape}; it must be {shape}")
        if bool((counts < 0).any()):
            raise ValueError("counts must not be negative")
        return np.ascontiguousarray(counts.T, dtype=np.int32).copy()


def _matrix(state: NDArray[np.int32]) -> Ints:
    return np.ascontiguousarray(state.T, dtype=np.int64)


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)


def _ints(values: NDArray[Any]) -> NDArray[np.int32]:
    return np.ascontiguousarray(np.minimum(values, 2**31 - 1), dtype=np.int32)


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    # Keeps the array alive as long as the pointer, which plain addresses do not.
    return array.ctypes.data_as(ctypes.c_void_p)


def _check(status: int) -> None:
    if status:
        raise ValueError(f"the search kernel failed: {_STATUS.get(status, status)}")


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise KernelMissing(
            f"the search kernel cannot be loaded ({error}); build it with `{BUILD}` in a checkout, "
            "or install the package again where gcc is installed"
        ) from None
    pointer, i32, i64, u64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64
    real, reals = ctypes.c_double, ctypes.c_void_p
    signatures: dict[str, tuple[Any, ...]] = {
        "value_of": (pointer, pointer, reals),
        "anneal": (
            pointer, pointer, pointer, i32, i64, real, real, real, u64, reals,
        ),
        "exact": (pointer, pointer, i32, i64, reals),
        "fill": (pointer, pointer, pointer, pointer, i32, i32, i32, pointer),
        "best_content": (pointer, pointer, i64, pointer, reals),
        "configurations": (
            pointer, pointer, i32, i32, i32, i64, pointer, pointer, pointer, reals, reals,
        ),
    }  # fmt: skip
    for name, arguments in signatures.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_int
    return library
