"""Loading: checksums, clear errors, no network; windows side by side."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from transformers import AutoConfig, AutoTokenizer

from newswire.pipeline.analysis import MODEL_FOLDER, Analyzer, Encoder, ModelError
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import Integers, Reading
from newswire.pipeline.analysis.spans import DECODER
from newswire.pipeline.analysis.topics import Taxonomy

_SMALL = ("checksums.json", "config.json", "tokenizer.json", "tokenizer_config.json", "concepts.json", "concepts.npy")
_GRAPHS = ("model.onnx", "embedder.onnx")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the model folder; the large files are links."""
    for name in _SMALL:
        shutil.copy(MODEL_FOLDER / name, tmp_path / name)
    for name in _GRAPHS:
        (tmp_path / name).symlink_to(MODEL_FOLDER / name)
    return tmp_path


def test_a_damaged_file_is_named_with_the_command_that_mends_it(copied: Path) -> None:
    config = copied / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("0.", "0.1", 1), encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json is damaged.*pip install --force-reinstall"):
        Encoder.load(copied)


@pytest.mark.parametrize("name", [*_GRAPHS, *_SMALL])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ModelError, match=name):
        Encoder.load(copied)


@pytest.mark.parametrize("name", _GRAPHS)
def test_a_model_of_another_kind_is_refused(copied: Path, name: str) -> None:
    (copied / name).unlink()
    (copied / name).write_bytes(b"no graph")
    sums = json.loads((copied / "checksums.json").read_text(encoding="utf-8"))
    sums[name] = hashlib.sha256(b"no graph").hexdigest()
    (copied / "checksums.json").write_text(json.dumps(sums), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Encoder.load(copied)


def test_the_name_says_model_instruction_set_and_decoder(analyzer: Analyzer) -> None:
    model, precision, instructions, decoder = analyzer.name.split(" ")
    assert (model, precision, decoder) == ("news-encoder-6", "int8", DECODER)
    assert instructions


def test_the_shipped_model_is_small_and_complete() -> None:
    assert sum(path.stat().st_size for path in MODEL_FOLDER.iterdir()) <= 60_000_000
    assert (MODEL_FOLDER / "MODEL_CARD.md").is_file()


_MEMORY = """
import psutil
process = psutil.Process()
from newswire.pipeline.analysis import Analyzer
before = process.memory_info().rss
analyzer = Analyzer.load()
for words in (5, 100, 400, 3000):
    analyzer.analyze("Kremlin signs law", "The State Duma adopted a law. " * (words // 6))
print(process.memory_info().rss - before)
"""


def test_the_model_with_all_that_loads_it_takes_no_more_than_250_megabytes() -> None:
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    assert 50_000_000 < int(done.stdout) <= 250_000_000


def test_every_topic_of_the_model_has_a_name() -> None:
    taxonomy = Taxonomy.load()
    settings = Encoder.load().settings
    assert taxonomy.release == "2025-10-09"
    assert len(settings.topics) == len(settings.thresholds) == 17
    assert taxonomy.names["medtop:16000000"] == "conflict, war and peace"
    assert settings.labels[0] == "O"
    assert {label[2:] for label in settings.labels[1:]} == {"PER", "ORG", "LOC", "MISC"}


def test_a_taxonomy_that_lacks_a_topic_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.json"
    path.write_text('{"release": "x", "topics": []}', encoding="utf-8")
    with pytest.raises(ModelError, match="lacks the model's topics"):
        Analyzer(Encoder.load(), Taxonomy.load(path), Concepts.load())


def test_transformers_alone_loads_tokenizer_and_config() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODEL_FOLDER, local_files_only=True)
    config = AutoConfig.from_pretrained(MODEL_FOLDER, local_files_only=True)
    assert len(tokenizer) == config.vocab_size
    assert tokenizer("Kyiv")["input_ids"][0] == tokenizer.cls_token_id
    assert tokenizer.tokenize("The Kremlin's law")[0] == "▁The"


class Meeting(Encoder):
    """An encoder whose runs wait for each other, two by two."""

    met = Barrier(2, timeout=20)

    def read(self, ids: Integers, states: bool = False) -> Reading:
        """As before, once another run has begun."""
        self.met.wait()
        return super().read(ids, states)


def test_windows_are_read_side_by_side_and_come_in_order() -> None:
    encoder = Meeting.load(threads=2)
    windows = [encoder.tokenize(text).ids for text in ("Kyiv", "The Kremlin", "Anna Kowalska", "Nairobi")]
    alone = [Encoder.read(encoder, window, number < 2) for number, window in enumerate(windows)]
    found = encoder.read_all(windows, 2)
    for one, other in zip(found, alone, strict=True):
        assert np.array_equal(one.tags, other.tags)
        if one.states is not None and other.states is not None:
            assert np.array_equal(one.states, other.states)
    assert [one.states is not None for one in found] == [True, True, False, False]
    assert [one.states is not None for one in alone] == [True, True, False, False]
