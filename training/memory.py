"""Memory that was freed is kept for the next step. What glibc gives back to the system comes again page by page, each
cleared by the kernel, and a step's tensors are some hundred megabytes: without it a step of entities takes 0.87 of the
time (`python -m training.step_figures`).
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_NEVER = 2**31 - 1
_GROW = 64 * 2**20


def keep_freed() -> bool:
    """Let this process keep what it frees (mallopt(3)); False where the C library is not glibc or refuses a setting.

    All threads share one heap, so that what one has freed another one takes.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _GROW), (_ARENA_MAX, 1))
    taken = [tune(name, value) for name, value in settings]
    return all(taken)
