"""What is freed and taken again costs no page fault once the process keeps it."""

import platform
import subprocess
import sys

import pytest

# Where the kernel gives huge pages unasked, a fault is for 2 MiB, not for 4 KiB.
_STEPS = """
import ctypes
import resource
import sys

from training.memory import keep_freed

PR_SET_THP_DISABLE = 41
getattr(ctypes.CDLL(None), "prctl", lambda *_: None)(PR_SET_THP_DISABLE, 1, 0, 0, 0)
if sys.argv[1] == "kept":
    assert keep_freed(), "glibc refused a setting"


def step():
    several = [b"x" * (number * 2**20) for number in range(1, 9)]
    return len(several)


step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    """Page faults of five steps that each take and free 36 MiB, after a first one."""
    done = subprocess.run([sys.executable, "-c", _STEPS, how], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives freed memory back page by page")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert page_faults("kept") < 100
    assert page_faults("given back") > 1000
