"""The start-up cache of the embedded broker: when it is made, by whom, and what happens when it cannot be."""

import os
import sys
import time
from pathlib import Path

import pytest

from newswire.pipeline.broker import aot
from newswire.pipeline.broker.locks import open_lock, try_lock

REHEARSAL = """#!/bin/sh
# As the rehearsal is called: -m MODULE FILE --cache-dir FOLDER.
echo "$3" >> "{calls}"
{does}
"""


def a_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "lib").mkdir()
    (home / "lib" / "modules").write_bytes(b"modules")
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    java = home / "bin" / "java"
    java.touch()
    return java


@pytest.fixture
def java(tmp_path: Path) -> Path:
    return a_java(tmp_path / "java", "25.0.2")


@pytest.fixture
def jars(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "jars"
    folder.mkdir()
    for name in ("a.jar", "b.jar"):
        (folder / name).write_bytes(name.encode())
    return [folder / "a.jar", folder / "b.jar"]


def rehearsals(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> Path:
    """Put a program in the rehearsal's place; the file that then names each call's draft."""
    program, calls = folder / "python", folder / "calls"
    calls.touch()
    program.write_text(REHEARSAL.format(calls=calls, does=does))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return calls


@pytest.mark.parametrize(("version", "known"), [("17.0.9", False), ("24", False), ("25", True), ("26.0.1", True)])
def test_an_old_java_has_no_cache(tmp_path: Path, jars: list[Path], version: str, known: bool) -> None:
    assert (aot.cache_file(a_java(tmp_path / "other", version), jars) is not None) is known


def test_a_java_that_does_not_tell_what_it_is_has_no_cache(java: Path, jars: list[Path]) -> None:
    (java.parent.parent / "release").unlink()
    assert aot.cache_file(java, jars) is None
    assert aot.aot_flags(java, jars) == []


def test_another_java_or_other_jars_have_a_cache_of_their_own(tmp_path: Path, java: Path, jars: list[Path]) -> None:
    names = {aot.cache_file(java, jars), aot.cache_file(a_java(tmp_path / "newer", "25.0.3"), jars)}
    assert aot.cache_file(java, jars) in names
    names.add(aot.cache_file(java, jars[:1]))
    os.utime(jars[1], (1, 1))
    names.add(aot.cache_file(java, jars))
    assert len(names) == 4


def test_it_is_made_once_and_used_from_then_on(
    tmp_path: Path, java: Path, jars: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = rehearsals(tmp_path, monkeypatch, 'printf cache > "$3"')
    cache = aot.cache_file(java, jars)
    assert cache is not None
    for _ in range(2):
        assert aot.aot_flags(java, jars)[:2] == [f"-XX:AOTCache={cache}", "-XX:+VerifySharedSpaces"]
    assert cache.read_text() == "cache"
    assert len(calls.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("does", "told"), [("echo no room >&2; exit 1", "no room"), ("exit 3", "code 3"), ("", "no c")]
)
def test_a_failure_is_written_down_and_not_repeated(
    tmp_path: Path, java: Path, jars: list[Path], monkeypatch: pytest.MonkeyPatch, does: str, told: str
) -> None:
    calls = rehearsals(tmp_path, monkeypatch, does)
    cache = aot.cache_file(java, jars)
    assert cache is not None
    for _ in range(2):
        assert aot.aot_flags(java, jars) == []
    assert told in aot.failure_file(cache).read_text()
    assert len(calls.read_text().splitlines()) == 1
    assert not list(cache.parent.glob("*.new"))


def test_who_comes_while_another_makes_it_goes_without(
    tmp_path: Path, java: Path, jars: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = rehearsals(tmp_path, monkeypatch, 'printf cache > "$3"')
    other = open_lock(jars[0].parent / "aot.lock")
    assert try_lock(other)
    try:
        assert aot.aot_flags(java, jars) == []
    finally:
        os.close(other)
    assert calls.read_text() == ""
    assert aot.aot_flags(java, jars)


def test_those_long_unused_are_removed_when_one_is_made(
    tmp_path: Path, java: Path, jars: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsals(tmp_path, monkeypatch, 'printf cache > "$3"')
    old, used = jars[0].parent / "kafka-old.aot", jars[0].parent / "kafka-used.aot"
    for path, age in ((old, aot.UNUSED_SECONDS + 60), (used, aot.UNUSED_SECONDS - 60)):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    aot.aot_flags(java, jars)
    assert not old.exists()
    assert used.exists()
