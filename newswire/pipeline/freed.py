"""Memory that was freed goes back to the system. glibc keeps it for later, which after a large load may be never."""

import ctypes


def give_back() -> None:
    """Return what is free in the heap. Nothing happens where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
