"""What is compiled: all of it before the first article, and without a place for numba's cache as well."""

import subprocess
import sys
from pathlib import Path

import numba
import pytest

from newswire.pipeline.duplicates import compiled as compiled_module
from newswire.pipeline.duplicates import warm

# How many forms of the compiled functions there are when a step is open, and when it has decided articles of all kinds.
DECIDING = """
import sys
from numba.core.dispatcher import Dispatcher
from tests.unit.duplicates.articles import DAY, NOON, Wire, article, text_of

def forms():
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("newswire.pipeline.duplicates")]
    found = {id(one): one for module in modules for one in vars(module).values() if isinstance(one, Dispatcher)}
    return {one.__name__: sorted(map(str, one.signatures)) for one in found.values()}

wire = Wire(deduplicate={"window_seconds": 30 * 86_400})
before, number = forms(), 0
text = text_of(1, 300)
cut, added = " ".join(text.split()[:200]), text + " " + text_of(2, 200)
frames = [text_of(3, 60) + " " + text_of(place, 60) for place in range(100, 120)]
for one in (text, text, cut, added, "short one", text_of(4, 3_000), text_of(4, 2_900), *frames):
    number += 1
    wire.send(article(number, one, observed_ms=NOON + number))
wire.send(article(1, text_of(5), revision=2))
wire.send(article(900, text_of(6), url="https://site.example/1"))
for place in range(30):
    wire.send(article(1_000 + place, text_of(7), observed_ms=NOON + 60 * DAY))
after = forms()
assert sum(map(bool, before.values())) > 10, before
assert after == before, {name: after[name] for name in after if after[name] != before.get(name)}
"""


def test_nothing_is_compiled_while_articles_are_decided() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", DECIDING], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_without_a_place_for_the_cache_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def njit(*functions: object, cache: bool = False) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return functions[0]

    monkeypatch.setattr(numba, "njit", njit)

    def twice(number: int) -> int:
        return 2 * number

    assert compiled_module.compiled(twice)(4) == 8


def test_it_is_compiled_apart_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "kept_in", lambda package: tmp_path)
    monkeypatch.setattr(warm, "_PROGRAM", f"open({str(tmp_path / 'calls')!r}, 'a').write('x')")
    warm.compile_apart()
    warm.compile_apart()
    assert (tmp_path / "calls").read_text() == "xx"  # neither left a mark
    warm.compile_all()
    warm.compile_apart()
    assert (tmp_path / "calls").read_text() == "xx"


def test_what_was_compiled_of_other_sources_is_not_used(tmp_path: Path) -> None:
    def kept(*texts: str) -> Path:
        package = tmp_path / str(len(list(tmp_path.iterdir())))
        package.mkdir()
        for number, text in enumerate(texts):
            (package / f"{number}.py").write_text(text)
        return compiled_module.kept_in(package)

    assert kept("SIZE = 1", "from constants import SIZE") == kept("SIZE = 1", "from constants import SIZE")
    assert kept("SIZE = 1", "from constants import SIZE") != kept("SIZE = 2", "from constants import SIZE")
