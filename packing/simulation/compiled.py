"""The one place where numba is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba.experimental import structref

Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function, **options: Any) -> Function:
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # numba found nowhere to keep the result
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


def compiled(function: Function) -> Function:
    """Compile `function` to machine code; it can be called from compiled functions only.

    A wrapper for Python would cost more to compile than the function itself.
    """
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, error_model="numpy")


def entry(function: Function) -> Function:
    """Compile `function` at its first call from Python, and keep the result on disk if possible.

    A read-only installation without a writable cache folder compiles once per process instead.
    """
    return _compiled(function, no_cfunc_wrapper=True, error_model="numpy")


@structref.register
class _HandleType(numba.core.types.StructRef):
    """Numba's type of a handle."""


class Handle(structref.StructRefProxy):
    """All arrays of a simulation behind one pointer.

    A tuple of arrays as argument would be taken apart and put together at every call, which takes
    a minute to compile.
    """


def define_handle(names: tuple[str, ...]) -> None:
    """Say once which arrays a handle holds, in order."""
    structref.define_constructor(Handle, _HandleType, list(names))  # type: ignore[no-untyped-call]
    structref.define_attributes(_HandleType)  # type: ignore[no-untyped-call]
