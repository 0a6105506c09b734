"""Functions compiled to machine code by numba, when they are first called; its cache keeps them for later processes.

For loops over the few hundred words and keys of a text, where a call of numpy takes longer than its work.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

_P = ParamSpec("_P")
_T = TypeVar("_T")


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a function of numbers and arrays."""
    try:
        return cast("Callable[_P, _T]", njit(cache=True)(function))
    except RuntimeError:
        # Neither beside the code nor in the user's cache folder can anything be written.
        return cast("Callable[_P, _T]", njit(function))
