"""The name of the instruction set."""

import os

import pytest

from newswire.pipeline.analysis.hardware import choose, every_core, instruction_set


@pytest.mark.parametrize(
    ("machine", "flags", "name"),
    [
        ("x86_64", {"avx", "avx2", "avx512bw", "avx512_vnni"}, "avx512_vnni"),
        ("x86_64", {"avx", "avx2", "avx512bw", "avx512_vnni", "amx_int8"}, "amx_int8"),
        ("AMD64", {"avx", "avx2"}, "avx2"),
        ("x86_64", {"avx2", "avx_vnni"}, "avx_vnni"),
        ("aarch64", {"asimd", "asimddp"}, "arm64_dotprod"),
        ("arm64", set(), "arm64"),
        ("riscv64", set(), "riscv64"),
    ],
)
def test_the_widest_one_names_the_run(machine: str, flags: set[str], name: str) -> None:
    assert choose(machine, frozenset(flags)) == name


def test_this_machine_has_a_name() -> None:
    assert instruction_set()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system keeps no thread to a core")
def test_every_core_is_there_for_the_block_and_the_own_ones_again_after_it() -> None:
    before = os.sched_getaffinity(0)
    own = {min(before)}
    os.sched_setaffinity(0, own)
    try:
        with every_core():
            assert os.sched_getaffinity(0) >= before
        assert os.sched_getaffinity(0) == own
    finally:
        os.sched_setaffinity(0, before)
