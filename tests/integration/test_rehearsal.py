"""The rehearsal of the embedded broker: what it writes is taken by Java, and a damaged one is not."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from newswire.pipeline.broker.aot import cache_flags
from newswire.pipeline.broker.jars import ensure_jars
from newswire.pipeline.broker.java import find_java
from newswire.pipeline.broker.rehearsal import rehearse

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.mark.timeout(180)
def test_java_starts_from_what_the_rehearsal_wrote_and_refuses_what_was_damaged(tmp_path: Path) -> None:
    jars, cache = ensure_jars(), tmp_path / "kafka.aot"
    rehearse(cache, seconds=1.0)

    def kafka(path: Path) -> subprocess.CompletedProcess[str]:
        # With AOTMode=on a cache that is not usable is an error.
        flags = ["-XX:AOTMode=on", *cache_flags(path), "-XX:+UseG1GC", "-Xmx256m"]
        command = [str(find_java()), *flags, "-cp", os.pathsep.join(map(str, jars)), "kafka.Kafka", "--version"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    used = kafka(cache)
    assert (used.returncode, used.stdout.strip()) == (0, "4.4.0")

    damaged = Path(shutil.copy(cache, tmp_path / "damaged.aot"))
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        file.write(b"\xff" * 64)
    refused = kafka(damaged)
    assert refused.returncode == 1
    assert "checksum" in refused.stdout.lower() + refused.stderr.lower()
