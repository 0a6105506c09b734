"""Other people's models in place of the news encoder's heads: any token or sequence classifier of Hugging Face.

They run through transformers and torch (the extra `torch`) on the CPU, one window or text a run and never a batch, in
32-bit floats. A model is a folder or an id of the hub; nothing of it is executed but its weights
(`trust_remote_code` stays off).
"""

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.encoder import Tokens
from newswire.pipeline.analysis.results import ModelError
from newswire.pipeline.analysis.windows import plan

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

MAX_TOKENS = 512
"""Of a window, and of what is read of an article for its topics; less where the model takes less."""
_OVERLAP = 64
_NO_TORCH = "torch is not installed: pip install 'newswire[torch]'"
_MEND = "a folder or a hub id of a model with a fast tokenizer is wanted"
_TYPES = {
    "PER": ("PER", "PERS", "PERSON"),
    "ORG": ("ORG", "ORGANIZATION", "ORGANISATION", "CORPORATION", "GROUP"),
    "LOC": ("LOC", "LOCATION", "GPE", "FAC", "FACILITY"),
    "MISC": ("MISC", "NORP", "EVENT", "EVT", "PRODUCT", "PRO", "WORK_OF_ART", "CREATIVE-WORK", "LAW", "LANGUAGE"),
}
_BEGIN = ("B", "S", "U")
_INSIDE = ("I", "E", "L", "M")


def verify(model: str) -> None:
    """What can be told without loading the model. Raises ModelError when torch or its folder is missing."""
    if importlib.util.find_spec("torch") is None:
        raise ModelError(_NO_TORCH)
    folder = Path(model)
    if (folder.is_absolute() or model.startswith(".") or folder.is_dir()) and not (folder / "config.json").is_file():
        raise ModelError(f"{model} has no config.json; {_MEND}")


def _library() -> tuple[Any, Any]:
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(_NO_TORCH) from error


def _revision(model: str, config: Any) -> str:
    """What tells one state of a model from another: the hub's commit, or a digest of the folder's files."""
    folder = Path(model)
    if not folder.is_dir():
        return str(getattr(config, "_commit_hash", None) or "unknown")[:12]
    digest = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


class _Model:
    """A loaded model and its fast tokenizer. Not for use from several threads at once."""

    def __init__(self, model: str, kind: str, threads: int) -> None:
        """`kind` is one of transformers' AutoModel classes. Raises ModelError when the model cannot be loaded."""
        self._torch, transformers = _library()
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(model, use_fast=True)
            self._network = getattr(transformers, kind).from_pretrained(model).eval()
        except Exception as error:  # whatever the library raises, it means that this model cannot be used
            raise ModelError(f"the model {model} cannot be loaded ({error}); {_MEND}") from error
        if not tokenizer.is_fast:
            raise ModelError(f"the tokenizer of {model} knows no offsets; {_MEND}")
        self._torch.set_num_threads(threads)
        self._tokenizer = tokenizer
        config = self._network.config
        self.labels: dict[int, str] = {int(number): label for number, label in config.id2label.items()}
        self.several = config.problem_type == "multi_label_classification"
        self.name = f"{Path(model).name if Path(model).is_dir() else model}@{_revision(model, config)}"
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = tokenizer("a")["input_ids"]
        at = next((n for n in range(len(whole)) if whole[n : n + len(bare)] == bare), 0)
        self._before, self._after = whole[:at], whole[at + len(bare) :]
        places = getattr(config, "max_position_embeddings", None) or MAX_TOKENS
        # Some families begin their positions after the padding's number.
        shift = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert", "xlm-roberta-xl") else 0
        self.room = min(MAX_TOKENS, tokenizer.model_max_length, places - shift) - len(self._before) - len(self._after)

    def tokenize(self, text: str) -> Tokens:
        """Sub-tokens of a text without special ones."""
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = np.array(encoding["offset_mapping"], dtype=np.int64).reshape(-1, 2)
        return Tokens(np.array(encoding["input_ids"], dtype=np.int64), offsets[:, 0], offsets[:, 1])

    def logits(self, ids: Sequence[int]) -> Floats:
        """The network's logits of at most `room` sub-tokens, with the special ones around them, without the batch."""
        framed = self._torch.tensor([[*self._before, *ids, *self._after]])
        with self._torch.inference_mode():
            out = self._network(input_ids=framed, attention_mask=self._torch.ones_like(framed)).logits[0]
        found: Floats = out.float().numpy()
        return found

    def inner(self, rows: Floats) -> Floats:
        """The rows of the sub-tokens alone."""
        return rows[len(self._before) : len(rows) - len(self._after)]


def tag_of(label: str, tags: Sequence[str]) -> int | None:
    """The number in `tags` ("O", "B-PER", "I-PER" and so on) of a model's label; None for a type not wanted.

    Read are BIO, BIOES, BILOU and bare types, in the names of CoNLL, OntoNotes, WNUT and SlavNER.
    """
    head, separator, tail = label.upper().partition("-")
    prefix, kind = (head, tail) if separator and head in _BEGIN + _INSIDE else ("I", label.upper())
    for name, aliases in _TYPES.items():
        if kind in aliases:
            return list(tags).index(f"{'B' if prefix in _BEGIN else 'I'}-{name}")
    return None


class HuggingFaceTagger:
    """A token classifier: sub-tokens of a text with the log-probability of each tag."""

    def __init__(self, model: str, tags: Sequence[str], threads: int = 1) -> None:
        """`tags` are the wanted tags in their order, O first.

        Raises ModelError when the model cannot be loaded or none of its labels is a type of entity.
        """
        self._model = _Model(model, "AutoModelForTokenClassification", threads)
        self.name = self._model.name
        self._tags = len(tags)
        # What is of no wanted type (dates, amounts) counts as outside of any entity.
        self._columns = {number: tag_of(label, tags) or 0 for number, label in self._model.labels.items()}
        if not any(self._columns.values()):
            raise ModelError(f"none of {sorted(self._model.labels.values())}, labels of {model}, is a type of entity")

    def tag(self, text: str, most: int) -> tuple[Tokens, Floats]:
        """(sub-tokens, log-probabilities (tokens, tags)); what lies beyond `most` windows is left out."""
        tokens = self._model.tokenize(text)
        overlap = min(_OVERLAP, self._model.room // 2)
        windows = plan(len(tokens.ids), self._model.room, self._model.room - overlap, most)
        parts = [np.zeros((0, self._tags), dtype=np.float32)]
        for window in windows:
            rows = self._model.inner(self._model.logits(tokens.ids[window.start : window.end].tolist()))
            parts.append(self._wanted(rows[window.first - window.start : window.last - window.start]))
        return tokens, np.concatenate(parts)

    def _wanted(self, rows: Floats) -> Floats:
        chances = np.exp(rows - rows.max(1, keepdims=True))
        wanted = np.zeros((len(rows), self._tags), dtype=np.float32)
        for number, column in self._columns.items():
            wanted[:, column] += chances[:, number]
        return np.asarray(np.log(np.maximum(wanted / wanted.sum(1, keepdims=True), 1e-9)), dtype=np.float32)


class HuggingFaceClassifier:
    """A sequence classifier whose labels are topics of the taxonomy."""

    def __init__(self, model: str, topics: Mapping[str, str], threads: int = 1) -> None:
        """`topics` are the taxonomy's names by id; a label is an id or a name. Labels that are neither are no topics.

        Raises ModelError when the model cannot be loaded or none of its labels is a topic.
        """
        self._model = _Model(model, "AutoModelForSequenceClassification", threads)
        self.name = self._model.name
        known = {topic.casefold(): topic for topic in topics} | {name.casefold(): one for one, name in topics.items()}
        found = {number: known.get(label.strip().casefold()) for number, label in self._model.labels.items()}
        self._topics = {number: topic for number, topic in found.items() if topic is not None}
        if not self._topics:
            raise ModelError(
                f"none of {sorted(self._model.labels.values())}, labels of {model}, is a topic's id or name"
            )

    def scores(self, title: str, text: str) -> dict[str, float]:
        """The probability of each topic, from the beginning of the article as far as the model reads."""
        tokens = self._model.tokenize(f"{title}\n{text}" if title else text)
        if not len(tokens.ids):
            return {}
        row = self._model.logits(tokens.ids[: self._model.room].tolist()).astype(np.float64)
        if self._model.several:
            chances = 1.0 / (1.0 + np.exp(-row))
        else:
            chances = np.exp(row - row.max())
            chances /= chances.sum()
        return {topic: float(chances[number]) for number, topic in self._topics.items()}
