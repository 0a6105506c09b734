"""Functions compiled to machine code by numba, when they are first called, and kept for later processes.

For loops over the few hundred words and keys of a text, where a call of numpy takes longer than its work.
"""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba

from newswire.pipeline.cachedir import user_cache

_P = ParamSpec("_P")
_T = TypeVar("_T")


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a function of numbers and arrays."""
    vars(numba.config)["CACHE_DIR"] = str(kept_in(Path(__file__).parent))
    try:
        return cast("Callable[_P, _T]", numba.njit(cache=True)(function))
    except RuntimeError:
        # Nothing can be written there.
        return cast("Callable[_P, _T]", numba.njit(function))


@cache
def kept_in(package: Path) -> Path:
    """Where the code of a package's functions is kept: another folder for each state of its sources.

    numba looks whether the file of a function has changed, not at what the function takes from other files.
    """
    sources = b"".join(path.read_bytes() for path in sorted(package.glob("*.py")))
    return user_cache("compiled") / hashlib.sha256(sources).hexdigest()[:16]
