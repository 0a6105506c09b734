"""Loading: checksums, clear errors, no network; windows side by side."""

import hashlib
import json
import shutil
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


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the model folder; the large file is a link."""
    for name in _SMALL:
        shutil.copy(MODEL_FOLDER / name, tmp_path / name)
    (tmp_path / "model.onnx").symlink_to(MODEL_FOLDER / "model.onnx")
    return tmp_path


def test_a_damaged_file_is_named_with_the_command_that_mends_it(copied: Path) -> None:
    config = copied / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("0.", "0.1", 1), encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json is damaged.*pip install --force-reinstall"):
        Encoder.load(copied)


@pytest.mark.parametrize("name", ["model.onnx", *_SMALL])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ModelError, match=name):
        Encoder.load(copied)


def test_a_model_of_another_kind_is_refused(copied: Path) -> None:
    (copied / "model.onnx").unlink()
    (copied / "model.onnx").write_bytes(b"no graph")
    sums = json.loads((copied / "checksums.json").read_text(encoding="utf-8"))
    sums["model.onnx"] = hashlib.sha256(b"no graph").hexdigest()
    (copied / "checksums.json").write_text(json.dumps(sums), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Encoder.load(copied)


def test_the_name_says_model_instruction_set_and_decoder(analyzer: Analyzer) -> None:
    model, precision, instructions, decoder = analyzer.name.split(" ")
    assert (model, precision, decoder) == ("news-encoder-2", "int8", DECODER)
    assert instructions


def test_the_shipped_model_is_small_and_complete() -> None:
    assert (MODEL_FOLDER / "model.onnx").stat().st_size <= 60_000_000
    assert (MODEL_FOLDER / "MODEL_CARD.md").is_file()


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

    def read(self, ids: Integers) -> Reading:
        """As before, once another run has begun."""
        self.met.wait()
        return super().read(ids)


def test_windows_are_read_side_by_side_and_come_in_order() -> None:
    encoder = Meeting.load(threads=2)
    windows = [encoder.tokenize(text).ids for text in ("Kyiv", "The Kremlin", "Anna Kowalska", "Nairobi")]
    alone = [Encoder.read(encoder, window) for window in windows]
    found = encoder.read_all(windows)
    for one, other in zip(found, alone, strict=True):
        assert np.array_equal(one.tags, other.tags)
        assert np.array_equal(one.embedding, other.embedding)
