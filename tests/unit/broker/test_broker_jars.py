"""The jars of the embedded broker: what is locked is taken, everything else is refused."""

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.jars import ROOTS, Jar, default_cache_dir, ensure_jars, locked_jars

CONTENT = b"a jar"
GOOD = Jar("org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A Maven repository on loopback that has one jar."""
    folder = tmp_path / "repository" / "org" / "example" / "thing" / "1.0"
    folder.mkdir(parents=True)
    (folder / "thing-1.0.jar").write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "repository")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield {"test": f"http://127.0.0.1:{server.server_port}"}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def unreachable() -> dict[str, str]:
    """A repository at a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"test": f"http://127.0.0.1:{probe.getsockname()[1]}"}


def test_fetched_once_then_from_the_cache(
    tmp_path: Path, repository: dict[str, str], unreachable: dict[str, str]
) -> None:
    cache = tmp_path / "cache"
    first = ensure_jars(cache, jars=[GOOD], repositories=repository)
    assert [path.read_bytes() for path in first] == [CONTENT]
    assert ensure_jars(cache, jars=[GOOD], repositories=unreachable) == first
    assert [path.name for path in cache.iterdir()] == ["thing-1.0.jar"]


def test_another_file_than_the_locked_one_is_refused(tmp_path: Path, repository: dict[str, str]) -> None:
    wrong = Jar(GOOD.coordinate, "0" * 64)
    with pytest.raises(BrokerError, match=r"org\.example:thing:1\.0 is not the jar that was locked"):
        ensure_jars(tmp_path / "cache", jars=[wrong], repositories=repository)
    assert not (tmp_path / "cache" / "thing-1.0.jar").exists()


def test_a_damaged_jar_in_the_cache_is_fetched_again(tmp_path: Path, repository: dict[str, str]) -> None:
    (path,) = ensure_jars(tmp_path, jars=[GOOD], repositories=repository)
    path.write_bytes(b"damaged")
    ensure_jars(tmp_path, jars=[GOOD], repositories=repository)
    assert path.read_bytes() == CONTENT


def test_no_network_says_what_and_why_and_what_to_do(tmp_path: Path, unreachable: dict[str, str]) -> None:
    with pytest.raises(BrokerError, match=r"cannot fetch org\.example:thing:1\.0 .*refused.*check the network"):
        ensure_jars(tmp_path, jars=[GOOD], repositories=unreachable)
    assert list(tmp_path.iterdir()) == []


def test_a_jar_that_the_repository_lacks(tmp_path: Path, repository: dict[str, str]) -> None:
    with pytest.raises(BrokerError, match=r"cannot fetch org\.example:other:2 .*not found"):
        ensure_jars(tmp_path, jars=[Jar("org.example:other:2", "0" * 64)], repositories=repository)


def test_a_cache_that_cannot_be_written(tmp_path: Path, repository: dict[str, str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="Set XDG_CACHE_HOME"):
        ensure_jars(tmp_path / "file" / "cache", jars=[GOOD], repositories=repository)


def test_the_lock_names_every_root_and_a_checksum_for_each_jar() -> None:
    jars = locked_jars()
    coordinates = [jar.coordinate for jar in jars]
    assert set(ROOTS) <= set(coordinates)
    assert len(set(coordinates)) == len(coordinates)
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in jars)


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert default_cache_dir() == Path("/elsewhere/newswire/kafka")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert default_cache_dir() == Path.home() / ".cache" / "newswire" / "kafka"


@pytest.mark.broker
def test_a_start_with_all_jars_there_needs_no_network_and_no_time(unreachable: dict[str, str]) -> None:
    ensure_jars()
    begun = time.process_time()
    assert len(ensure_jars(repositories=unreachable)) == len(locked_jars())
    assert time.process_time() - begun < 1.0
