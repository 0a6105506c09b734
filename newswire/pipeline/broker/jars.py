"""Apache Kafka's jars: fetched by their Maven coordinates with jgo, checked against the lock file, kept in a cache.

The lock file of this package (`kafka-jars.lock`) names every jar and its SHA-256, in the order of the class path.
Nothing is resolved at run time: what is locked is fetched, what does not match its checksum is refused.
"""

import hashlib
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import structlog

from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.cachedir import user_cache

LOCK_FILE = "kafka-jars.lock"
ROOTS = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")
"""What the lock file is the closure of: the broker, and a logger that writes to standard error."""

_PARALLEL = 8
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Jar:
    """One locked jar: `coordinate` is group:artifact:version, `sha256` its checksum in hex."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of the jar in the cache, as Maven names it."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def locked_jars() -> tuple[Jar, ...]:
    """The jars of the package's lock file, in the order of the class path."""
    text = resources.files("newswire.pipeline.broker").joinpath(LOCK_FILE).read_text(encoding="utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(Jar(coordinate, sha256) for coordinate, sha256 in rows)


def default_cache_dir() -> Path:
    """Where fetched jars are kept: `$XDG_CACHE_HOME/newswire/kafka`, by default under `~/.cache`."""
    return user_cache("kafka")


def ensure_jars(
    cache_dir: Path | None = None,
    *,
    jars: Sequence[Jar] | None = None,
    repositories: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Have every locked jar in the cache and return their paths in the order of the class path.

    `cache_dir`: where they are kept (default_cache_dir() if None). `jars`: which (the package's lock file if None).
    `repositories`: Maven repositories, name to URL; if None, jgo's own configuration, else its default. Every jar is
    checked at each call; when all are there nothing goes to the network. Safe when several processes do it at once.

    Raises BrokerError when a jar cannot be fetched, or is not the one that was locked.
    """
    folder = cache_dir or default_cache_dir()
    wanted = tuple(jars) if jars is not None else locked_jars()
    with ThreadPoolExecutor(_PARALLEL) as pool:
        good = pool.map(lambda jar: _digest(folder / jar.file_name) == jar.sha256, wanted)
    missing = [jar for jar, is_good in zip(wanted, good, strict=True) if not is_good]
    if missing:
        _fetch(missing, folder, repositories)
    return tuple(folder / jar.file_name for jar in wanted)


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _fetch(missing: Sequence[Jar], folder: Path, repositories: Mapping[str, str] | None) -> None:
    _log.info("fetching Apache Kafka", jars=len(missing), cache=str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # jgo writes in place; a jar enters the cache only whole, checked and by a rename.
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as staging:
            context = _maven(Path(staging), repositories)
            with ThreadPoolExecutor(_PARALLEL) as pool:
                for jar, path in zip(missing, pool.map(lambda jar: _download(context, jar), missing), strict=True):
                    _admit(jar, path, folder / jar.file_name)
    except OSError as error:
        raise BrokerError(f"cannot write Apache Kafka's jars to {folder}: {error}. Set XDG_CACHE_HOME.") from error


def _maven(repo_cache: Path, repositories: Mapping[str, str] | None) -> Any:
    # jgo takes a third of a second to import, which the usual start (everything cached) need not pay.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    _trust_the_system()
    remote = dict(repositories) if repositories is not None else GlobalSettings.load().repositories
    return MavenContext(repo_cache=repo_cache, local_repos=[], remote_repos=remote or None, timeout=30)


def _trust_the_system() -> None:
    """Let jgo's HTTP library trust what the system trusts, as pip does: a network may have an authority of its own."""
    authorities = ssl.get_default_verify_paths().cafile
    if authorities is not None and "CURL_CA_BUNDLE" not in os.environ:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)


def _download(context: Any, jar: Jar) -> Path:
    group, artifact, version = jar.coordinate.split(":")
    try:
        return Path(context.project(group, artifact).at_version(version).artifact().resolve())
    except Exception as error:  # whatever the HTTP library or jgo raises, the jar is not here
        raise BrokerError(
            f"cannot fetch {jar.coordinate} for the embedded broker from {', '.join(context.remote_repos)}: {error}. "
            "The first start needs a Maven repository; check the network or name a mirror in jgo's configuration "
            "([repositories] in jgo.conf), or use a Kafka of your own with bootstrap_servers."
        ) from error


def _admit(jar: Jar, fetched: Path, place: Path) -> None:
    digest = _digest(fetched)
    if digest != jar.sha256:
        raise BrokerError(
            f"{jar.coordinate} is not the jar that was locked: its SHA-256 is {digest}, {LOCK_FILE} says {jar.sha256}. "
            "It was not used. The repository it came from serves another file; use one you trust."
        )
    fetched.replace(place)


def resolve_lock(repo_cache: Path, repositories: Mapping[str, str] | None = None) -> str:
    """The text of a new lock file: the runtime closure of ROOTS, resolved by jgo into `repo_cache`.

    For maintainers, after a change of ROOTS: `python -m newswire.pipeline.broker.jars`.
    """
    context = _maven(repo_cache, repositories)
    roots, others = context.resolver.resolve([context.create_dependency(root) for root in ROOTS])
    rows = ["# The jars of the embedded Kafka in class path order: coordinate, SHA-256. Written by jars.py."]
    for dependency in [*roots, *others]:
        coordinate = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
        rows.append(f"{coordinate} {_digest(Path(dependency.artifact.resolve()))}")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as repo:
        print(resolve_lock(Path(repo)), end="")
