"""Java's ahead-of-time cache for the embedded broker: made once a machine, in the folder of Kafka's jars.

It holds the loaded and linked classes (JEP 483, 514) and what an earlier run learnt of the methods (JEP 515), so that
the broker starts sooner and its hot methods are compiled well from the first seconds on. Java takes it when the jars
and itself are those that it was made with, and goes without it when they are not.
"""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from newswire.pipeline.broker.locks import open_lock, try_lock

FIRST_JAVA = 25
"""The release that brought the one-step cache and the methods' profiles; an older Java goes without."""
UNUSED_SECONDS = 30 * 86_400
"""A cache of another Java or of other jars that nobody used for so long is removed when one is made."""

_LIMIT_SECONDS = 180.0
# Java 25 keeps pieces of machine code under hashes that collide, with a warning at each start; they save nothing here.
_NO_CODE = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching")
_log = structlog.get_logger(__name__)


def cache_file(java: Path, jars: Sequence[Path]) -> Path | None:
    """Where the cache for this Java and these jars is kept, beside the jars; None where this Java knows none."""
    home = java.resolve().parent.parent
    try:
        release = (home / "release").read_text(encoding="utf-8")
        match = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
        if match is None or int(match[1]) < FIRST_JAVA:
            return None
        parts = [release, str((home / "lib" / "modules").stat().st_size)]
        for jar in jars:
            told = jar.stat()
            parts.append(f"{jar} {told.st_size} {told.st_mtime_ns}")
    except OSError:
        return None
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return jars[0].parent / f"kafka-{key[:16]}.aot"


def failure_file(cache: Path) -> Path:
    """Where it stands why the cache could not be made; while it is there nobody tries again."""
    return cache.with_suffix(".failed")


def aot_flags(java: Path, jars: Sequence[Path]) -> list[str]:
    """Java's flags for the cache, which is made first (half a minute) where it is missing; none if it cannot be had.

    One process makes it, others go without meanwhile. A failure is logged and written down, never raised.
    """
    cache = cache_file(java, jars)
    if cache is None:
        return []
    if not cache.exists():
        _make_alone(cache)
    try:
        os.utime(cache)
    except OSError:
        return []
    return cache_flags(cache)


def cache_flags(cache: Path) -> list[str]:
    """Java's flags to start from a cache."""
    # By its checksums a damaged one is refused.
    return [f"-XX:AOTCache={cache}", "-XX:+VerifySharedSpaces", *_NO_CODE]


def learning_flags(draft: Path) -> list[str]:
    """Java's flags to write what a run teaches to a file when it ends."""
    return [f"-XX:AOTCacheOutput={draft}", *_NO_CODE]


def _make_alone(cache: Path) -> None:
    if failure_file(cache).exists():
        return
    try:
        lock = open_lock(cache.parent / "aot.lock")
    except OSError as error:
        _log.warning("no start-up cache for the embedded Kafka", error=str(error))
        return
    try:
        if try_lock(lock) and not cache.exists():
            _make(cache)
    finally:
        os.close(lock)


def _make(cache: Path) -> None:
    begun = time.monotonic()
    _log.info("preparing the embedded Kafka, once on this machine, for half a minute", cache=str(cache))
    draft = cache.with_suffix(".new")
    fault = None
    try:
        draft.unlink(missing_ok=True)
        fault = _rehearse(draft, cache.parent)
        if fault is None:
            draft.replace(cache)
            _remove_unused(cache)
            _log.info("prepared the embedded Kafka", seconds=round(time.monotonic() - begun, 1))
            return
        draft.unlink(missing_ok=True)
        failure_file(cache).write_text(f"{fault}\n", encoding="utf-8")
    except OSError as error:
        fault = fault or str(error)
    _log.warning("no start-up cache for the embedded Kafka, which starts without", error=fault)


def _rehearse(draft: Path, cache_dir: Path) -> str | None:
    """Have the cache written in a process of its own; what went wrong, None for nothing."""
    command = [sys.executable, "-m", "newswire.pipeline.broker.rehearsal", str(draft), "--cache-dir", str(cache_dir)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not made in {_LIMIT_SECONDS:g} s"
    except OSError as error:
        return str(error)
    if done.returncode:
        return (done.stderr + done.stdout).strip() or f"the rehearsal ended with code {done.returncode}"
    return None if draft.exists() else "the rehearsal wrote no cache"


def _remove_unused(cache: Path) -> None:
    for other in (*cache.parent.glob("kafka-*.aot"), *cache.parent.glob("kafka-*.failed")):
        if other != cache and time.time() - other.stat().st_mtime > UNUSED_SECONDS:
            other.unlink(missing_ok=True)
