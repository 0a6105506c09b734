"""The example configuration says what the defaults are, all of them, and the licences are there."""

import itertools
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from newswire.pipeline.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "newswire.example.toml"


@pytest.fixture(autouse=True)
def _no_other_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("NEWSWIRE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def paths(model: BaseModel, where: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name in type(model).model_fields:
        value: Any = getattr(model, name)
        found |= paths(value, (*where, name)) if isinstance(value, BaseModel) else {(*where, name)}
    return found


def test_the_example_loads_and_equals_the_defaults() -> None:
    assert load_settings(EXAMPLE) == load_settings()


def test_the_example_names_every_setting_and_no_other() -> None:
    table: tuple[str, ...] = ()
    named: list[tuple[str, ...]] = []
    for line in EXAMPLE.read_text().splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            table = (heading[1],)
        elif key := re.match(r"(?:# )?(\w+) = ", line):
            named.append((*table, key[1]))
    assert sorted(named) == sorted(paths(load_settings()))


def test_only_settings_without_a_default_value_are_commented_out() -> None:
    told = tomllib.loads(EXAMPLE.read_text())
    defaults = Settings().model_dump()
    absent = {
        (*(table,), key)
        for table, values in defaults.items()
        if isinstance(values, dict)
        for key in values
        if key not in told[table]
    }
    assert absent == {
        ("kafka", "bootstrap_servers"),
        ("archive", "folder"),
        ("analyze", "model"),
        ("analyze", "entities"),
        ("analyze", "topics"),
        ("analyze", "constant_ms"),
    }
    assert {key for key in defaults if key not in told} == {"state_dir"}


def test_every_group_of_settings_is_explained() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"\w+ = ", line):
            assert above.startswith("#") or re.match(r"\w+ = ", above), line


def test_licence_and_notice_are_whole() -> None:
    licence, notice = (ROOT / "LICENSE").read_text(), (ROOT / "NOTICE").read_text()
    assert "Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert all(word in notice for word in ("IPTC", "CC BY 4.0", "2025-10-09", "multilingual-e5-small", "MIT"))
    for named in re.findall(r"newswire/[\w/.-]*\w", notice):
        assert (ROOT / named).exists(), named
