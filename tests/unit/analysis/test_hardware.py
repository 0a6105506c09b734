"""The name of the instruction set."""

import pytest

from newswire.pipeline.analysis.hardware import choose, instruction_set


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
