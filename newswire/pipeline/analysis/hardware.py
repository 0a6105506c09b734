"""The instruction set that integer matrix products run on: results are the same bytes only within one of them."""

import contextlib
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# From the widest to the plainest, in the order in which ONNX Runtime's kernels prefer them.
_X86 = (
    ("amx_int8", "amx_int8"),
    ("avx512_vnni", "avx512_vnni"),
    ("avx_vnni", "avx_vnni"),
    ("avx512bw", "avx512"),
    ("avx2", "avx2"),
    ("avx", "avx"),
)
_ARM = (("i8mm", "arm64_i8mm"), ("asimddp", "arm64_dotprod"))


def choose(machine: str, flags: frozenset[str]) -> str:
    """Name of the instruction set for a machine name (platform.machine()) and the processor's feature flags."""
    arm = machine.lower() in ("aarch64", "arm64")
    for flag, name in _ARM if arm else _X86:
        if flag in flags:
            return name
    return "arm64" if arm else machine.lower() or "unknown"


def _linux_flags(text: str) -> frozenset[str]:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _mac_flags() -> frozenset[str]:
    """On a Mac the features come one by one; only those that matter to products are asked for."""
    asked = {
        "hw.optional.arm.FEAT_I8MM": "i8mm",
        "hw.optional.arm.FEAT_DotProd": "asimddp",
        "hw.optional.arm.FEAT_BF16": "bf16",
        "hw.optional.avx2_0": "avx2",
    }
    found = set()
    for key, flag in asked.items():
        answer = subprocess.run(["/usr/sbin/sysctl", "-n", key], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == "1":
            found.add(flag)
    return frozenset(found)


def feature_flags() -> frozenset[str]:
    """This machine's processor features, as Linux names them; those that matter on a Mac, none on other systems."""
    if platform.system() == "Darwin":
        return _mac_flags()
    if not _CPUINFO.is_file():
        return frozenset()
    return _linux_flags(_CPUINFO.read_text(encoding="utf-8", errors="replace"))


def instruction_set() -> str:
    """Name of this machine's instruction set, such as "avx512_vnni", "avx2" or "arm64_dotprod"."""
    return choose(platform.machine(), feature_flags())


@contextlib.contextmanager
def every_core() -> Iterator[None]:
    """Let this thread run on every core that it may have while the block lasts, then on those of before.

    ONNX Runtime 1.32 that is imported where one core is all that it sees takes slower integer kernels on a processor
    with AMX, for as long as it lives (`python -m bench.encoder` keeps to one core: with news-encoder-5 it gave 0.55 of
    spaCy's speed without this, 0.72 with it).
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
