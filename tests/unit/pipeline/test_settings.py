"""The configuration: where values come from, which win, and what a mistake is told."""

from pathlib import Path

import pytest

from newswire.pipeline.settings import Settings, SettingsError, load_settings


def write(folder: Path, text: str) -> Path:
    file = folder / "newswire.toml"
    file.write_text(text)
    return file


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings() == Settings()


def test_the_working_folder_s_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 'namespace = "here"')
    monkeypatch.chdir(tmp_path)
    assert load_settings().namespace == "here"


def test_environment_beats_file_and_command_line_beats_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, 'namespace = "file"\n[collect]\ntimeout = 5.0\ninterval_min = 7')
    monkeypatch.setenv("NEWSWIRE_NAMESPACE", "environment")
    monkeypatch.setenv("NEWSWIRE_COLLECT__TIMEOUT", "9")
    settings = load_settings(file)
    assert (settings.namespace, settings.collect.timeout, settings.collect.interval_min) == ("environment", 9.0, 7)
    assert load_settings(file, namespace="argument").namespace == "argument"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[collect]\nalow_private = true", "unknown key 'alow_private'; did you mean 'allow_private'"),
        ("namespase = 'x'", "did you mean 'namespace'"),
        ("zzz = 1", "known here: namespace"),
        ("namespace = 'a b'", "namespace: String should match"),
        ("[collect]\ntimeout = -1", "collect.timeout"),
        ("[collect", "Expected"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, text))
    assert words in str(caught.value)


def test_a_mistake_in_a_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSWIRE_COLLECT__TIMEOUTT", "3")
    with pytest.raises(SettingsError, match=r"NEWSWIRE_COLLECT__TIMEOUTT.*did you mean 'timeout'"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NEWSWIRE_COLECT__TIMEOUT", "unknown table 'colect'; did you mean NEWSWIRE_COLLECT__TIMEOUT"),
        ("newswire_colect__timeout", "did you mean NEWSWIRE_COLLECT__TIMEOUT"),
        ("NEWSWIRE_ZZZ__TIMEOUT", "unknown table 'zzz'; known: kafka, collect"),
        ("NEWSWIRE_NAMESPACE__X", "unknown table 'namespace'"),
        ("NEWSWIRE_COLLECT_TIMEOUT", "did you mean NEWSWIRE_COLLECT__TIMEOUT"),
        ("NEWSWIRE_NAMESPASE", "did you mean NEWSWIRE_NAMESPACE"),
        ("NEWSWIRE_STATEDIR", "did you mean NEWSWIRE_STATE_DIR"),
    ],
)
def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> None:
    monkeypatch.setenv(name, "3")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"variable {name}: " in str(caught.value)
    assert words in str(caught.value)


def test_what_others_call_newswire_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TEST_SEED", "SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8710_TCP_ADDR", "KAFKA_SERVICE_HOST", "VERSION")
    for name in names:
        monkeypatch.setenv(f"NEWSWIRE_{name}", "3")
    monkeypatch.setenv("NEWSWIRE_KAFKA__CLIENT__REQUEST_TIMEOUT_MS", "3000")
    monkeypatch.setenv("NEWSWIRE_COLLECT", '{"timeout": 3}')
    assert load_settings().collect.timeout == 3


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(tmp_path / "absent.toml")


def test_the_settings_travel_to_a_worker_unchanged() -> None:
    settings = load_settings(namespace="other")
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings
