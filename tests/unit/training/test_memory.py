"""What is freed and taken again costs no page fault once the process keeps it."""

import subprocess
import sys

import pytest

_STEPS = """
import resource
import sys

from training.memory import keep_freed

if sys.argv[1] == "kept" and not keep_freed():
    sys.exit("no glibc")


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
    if "no glibc" in done.stderr:
        pytest.skip("the C library is not glibc")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_freed_memory_is_kept_for_the_next_step() -> None:
    assert page_faults("kept") < 100
    assert page_faults("given back") > 1000
