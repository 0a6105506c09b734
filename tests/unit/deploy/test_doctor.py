"""`newswire doctor`: each check can find its fault, and what was found decides the exit code."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from newswire.pipeline import doctor
from newswire.pipeline.analysis import MODEL_FOLDER
from newswire.pipeline.broker.admin import ensure_topics
from newswire.pipeline.broker.aot import cache_file, failure_file
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.broker.topics import wire_topics
from newswire.pipeline.cli import doctor as command_line
from newswire.pipeline.doctor import Finding, check_cache, check_jars, examine, judge_clock, judge_space
from newswire.pipeline.settings import Settings

if TYPE_CHECKING:
    from tests.conftest import Kafka

NOW = 1_795_000_000.0


def settings(tmp_path: Path, **sections: Any) -> Settings:
    return Settings.model_validate({"state_dir": tmp_path / "state", **sections})


async def test_an_old_python_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "PYTHON_MIN", (99, 0))
    found = await doctor.check_python(settings(tmp_path))
    assert [(finding.check, finding.level) for finding in found] == [("python", "fault"), ("libraries", "ok")]
    assert "99.0" in found[0].advice


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_installed", lambda name: name != "aiokafka")
    found = doctor.check_libraries("newswire")
    assert (found.level, found.text) == ("fault", "not installed: aiokafka")
    assert doctor.check_libraries("no-such-distribution-newswire").level == "fault"


async def test_java_is_asked_for_only_by_the_embedded_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> Path:
        raise BrokerError("no Java here")

    monkeypatch.setattr("newswire.pipeline.broker.java.find_java", none)
    found = await doctor.check_java(settings(tmp_path))
    assert (found[0].level, found[0].text) == ("fault", "no Java here")
    other = settings(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"})
    assert [finding.level for finding in await doctor.check_java(other)] == ["ok"]


def test_jars_are_right_missing_or_damaged(tmp_path: Path) -> None:
    sums = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.jar", "b.jar")}
    assert "2 of 2 missing" in check_jars(tmp_path, sums).text
    (tmp_path / "a.jar").write_bytes(b"a.jar")
    (tmp_path / "b.jar").write_bytes(b"something else")
    found = check_jars(tmp_path, sums)
    assert (found.level, "damaged: b.jar" in found.text, "of 2 missing" in found.text) == ("warning", True, False)
    (tmp_path / "b.jar").write_bytes(b"b.jar")
    assert check_jars(tmp_path, sums).level == "ok"


def test_the_start_up_cache_is_there_or_not_yet_or_failed(tmp_path: Path) -> None:
    home, jar = tmp_path / "java", tmp_path / "kafka.jar"
    for folder in ("bin", "lib"):
        (home / folder).mkdir(parents=True)
    java = home / "bin" / "java"
    assert check_cache(java, [jar]).text.startswith("none")
    (home / "release").write_text('JAVA_VERSION="25"\n')
    (home / "lib" / "modules").touch()
    jar.touch()
    assert check_cache(java, [jar]).text.startswith("made at the next start")
    cache = cache_file(java, [jar])
    assert cache is not None
    failure_file(cache).write_text("no room\n")
    failed = check_cache(java, [jar])
    assert (failed.level, failed.text, str(failure_file(cache)) in failed.advice) == ("warning", "no room", True)
    cache.touch()
    assert (check_cache(java, [jar]).level, check_cache(java, [jar]).text) == ("ok", str(cache))


async def test_a_model_that_is_not_there_is_a_fault_and_a_pretended_one_a_warning(tmp_path: Path) -> None:
    found = await doctor.check_model(settings(tmp_path, analyze={"model": tmp_path}))
    assert found[0].level == "fault"
    assert str(tmp_path) in found[0].text
    pretended = await doctor.check_model(settings(tmp_path, analyze={"constant_ms": 1.0}))
    assert pretended[0].level == "warning"


async def test_a_model_without_the_second_level_that_is_asked_for_is_a_fault(tmp_path: Path) -> None:
    for path in MODEL_FOLDER.iterdir():
        if not path.name.startswith(("concepts", "checksums")):
            (tmp_path / path.name).symlink_to(path)
    sums = json.loads((MODEL_FOLDER / "checksums.json").read_text(encoding="utf-8"))
    others = {name: value for name, value in sums.items() if not name.startswith("concepts")}
    (tmp_path / "checksums.json").write_text(json.dumps(others), encoding="utf-8")
    assert (await doctor.check_model(settings(tmp_path, analyze={"model": tmp_path})))[0].level == "ok"
    found = await doctor.check_model(settings(tmp_path, analyze={"model": tmp_path, "second_level": True}))
    assert found[0].level == "fault"
    assert "concepts.npy cannot be read" in found[0].text


async def test_a_model_that_lacks_a_file_of_its_own_list_is_a_fault(tmp_path: Path) -> None:
    for path in MODEL_FOLDER.iterdir():
        if path.name != "concepts.npy":
            (tmp_path / path.name).symlink_to(path)
    found = await doctor.check_model(settings(tmp_path, analyze={"model": tmp_path}))
    assert found[0].level == "fault"
    assert "concepts.npy cannot be read" in found[0].text


@pytest.mark.parametrize(("torch", "says"), [(None, "pip install 'newswire[torch]'"), ("torch", "has no config.json")])
async def test_what_a_model_of_hugging_face_lacks_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str | None, says: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: torch)
    found = await doctor.check_model(settings(tmp_path, analyze={"entities": str(tmp_path)}))
    assert found[0].level == "fault"
    assert says in found[0].text
    if torch:
        (tmp_path / "config.json").write_text("{}")
        found = await doctor.check_model(
            settings(tmp_path, analyze={"entities": str(tmp_path), "topics": "some/hub-id"})
        )
        assert found[0].level == "ok"
        assert found[0].text.endswith(f"{tmp_path}, some/hub-id")


async def test_a_state_folder_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    found = await doctor.check_state(settings(tmp_path))
    assert [finding.level for finding in found] == ["fault"]
    fine = await doctor.check_state(Settings(state_dir=tmp_path / "deep" / "state"))
    assert "clock" in {finding.check for finding in fine}
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(("free", "level"), [(1 << 20, "fault"), (1 << 30, "warning"), (1 << 40, "ok")])
def test_space_is_judged(free: int, level: str) -> None:
    assert judge_space(Path("state"), free).level == level


@pytest.mark.parametrize(
    ("now", "stamp", "level"),
    [(NOW, NOW + 1, "ok"), (NOW, NOW - 3600, "warning"), (0.0, 0.0, "fault"), (5e9, 5e9, "fault")],
)
def test_clocks_are_judged(now: float, stamp: float, level: str) -> None:
    assert judge_clock(now, stamp).level == level


async def test_an_embedded_broker_that_does_not_run_is_not_started(tmp_path: Path) -> None:
    own = settings(tmp_path)
    found = await doctor.check_kafka(own)
    assert [(finding.check, finding.level) for finding in found] == [("kafka", "ok")]
    assert not own.state_dir.exists()


async def test_a_kafka_that_does_not_answer_is_a_fault(tmp_path: Path) -> None:
    found = await doctor.check_kafka(settings(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"}))
    assert [finding.level for finding in found] == ["fault"]
    assert "127.0.0.1:1" in found[0].text


@pytest.mark.broker
async def test_topics_are_absent_then_right_then_seen_to_be_wrong(
    kafka: "Kafka", namespace: str, tmp_path: Path
) -> None:
    own = settings(tmp_path, namespace=namespace, kafka={"bootstrap_servers": kafka.bootstrap_servers, "partitions": 2})
    assert "none of the namespace" in (await doctor.check_kafka(own))[1].text
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2)[:3])
    part = (await doctor.check_kafka(own))[1]
    assert part.level == "warning"
    assert f"{namespace}.enriched" in part.text
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace, partitions=2))
    assert [finding.level for finding in await doctor.check_kafka(own)] == ["ok"] * 4
    more = own.model_copy(update={"kafka": own.kafka.model_copy(update={"partitions": 3})})
    wrong = (await doctor.check_kafka(more))[1]
    assert (wrong.check, wrong.level) == ("topics", "fault")


@pytest.mark.broker
async def test_records_from_the_future_are_a_warning(
    kafka: "Kafka", namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = settings(tmp_path, namespace=namespace, kafka={"bootstrap_servers": kafka.bootstrap_servers})
    await ensure_topics(kafka.bootstrap_servers, wire_topics(namespace))
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    await producer.send_and_wait(own.topic("raw"), b"{}")
    await producer.stop()
    assert (await doctor.check_kafka(own))[-1].level == "ok"
    monkeypatch.setattr(doctor, "CLOCK_LIMIT", -3600.0)
    assert (await doctor.check_kafka(own))[-1].level == "warning"


async def test_a_check_that_fails_is_a_finding(tmp_path: Path) -> None:
    async def broken(_: Settings) -> list[Finding]:
        raise RuntimeError("out of order")

    found = await examine(settings(tmp_path), {"broken": broken})
    assert (found[0].check, found[0].level) == ("broken", "fault")
    assert "out of order" in found[0].text


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str], *findings: Finding) -> Any:
    async def found(_: Settings) -> list[Finding]:
        return list(findings)

    monkeypatch.setattr(command_line, "examine", found)
    monkeypatch.setattr(command_line, "set_up_logs", lambda _: None)
    return CliRunner().invoke(command_line.command, arguments)


def test_a_fault_exits_with_1_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    warned = run(monkeypatch, [], Finding("clock", "warning", "late", "Set it."))
    assert warned.exit_code == 0
    assert "-> Set it." in warned.output
    assert "0 faults, 1 warnings" in warned.output
    failed = run(monkeypatch, ["--json"], Finding("kafka", "fault", "gone", "Start it."))
    told = json.loads(failed.output)
    assert (failed.exit_code, told["faults"]) == (1, 1)
    assert told["findings"][-1] == {"check": "kafka", "level": "fault", "text": "gone", "advice": "Start it."}


def test_a_configuration_that_cannot_be_read_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("namespce = 'x'")
    result = run(monkeypatch, ["--config", str(file)])
    assert result.exit_code == 1
    assert "did you mean 'namespace'" in result.output
