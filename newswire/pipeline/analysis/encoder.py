"""The news encoder: tokenizer and configuration through transformers, int8 graphs through ONNX Runtime on the CPU.

One run takes one unpadded window. Batches gain nothing on a CPU core, and with dynamic int8 the texts of a batch
change each other's results, because the scale of an activation is taken over the whole tensor. Runs side by side, each
on a core, do not know of each other; ONNX Runtime's own threads, within a run, gain little on windows so small.
"""

import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.hardware import every_core, instruction_set
from newswire.pipeline.analysis.results import ModelError
from newswire.pipeline.freed import give_back

MODEL_FOLDER = Path(__file__).resolve().parents[2] / "models" / "news-encoder-6"
_GRAPHS = ("model.onnx", "embedder.onnx")
FILES = (*_GRAPHS, "tokenizer.json", "tokenizer_config.json", "config.json")
_GIVEN = ("tag_logits", "topic_logits", "states")
_MEND = (
    "mend it with: pip install --force-reinstall --no-deps newswire (in a checkout: git checkout -- newswire/models)"
)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tokens:
    """Sub-tokens of a text: `ids`, and each one's `starts` and `ends` in code points, all of shape (tokens,)."""

    ids: Integers
    starts: Integers
    ends: Integers


@dataclass(frozen=True)
class Reading:
    """What one run gives: `tags` (tokens, 9) logits, `topics` (17,) logits, and if wanted `states` (tokens, 384)."""

    tags: Floats
    topics: Floats
    states: Floats | None


@dataclass(frozen=True)
class Blend:
    """How topics are scored by the network and by the taxonomy's concepts together (`topics.blended`).

    `weight` is the evidence's against the network's logit, `centre` what each topic's evidence is in the mean;
    `rivalry` is how much the other topics count against one, `scale` and `shift` make chances of it all.
    """

    weight: float
    centre: tuple[float, ...]
    rivalry: float
    scale: float
    shift: float


@dataclass(frozen=True)
class Settings:
    """The model's own settings: tag labels by id, topic ids with thresholds; how many sub-tokens a window has, how many
    a step between two, and how many are embedded.
    """

    name: str
    labels: tuple[str, ...]
    topics: tuple[str, ...]
    thresholds: tuple[float, ...]
    window: int
    stride: int
    opening: int
    blend: Blend | None = None


def verify(folder: Path, names: Sequence[str] = ()) -> None:
    """Compare files of the model (all that it lists, and what every model has) with checksums.json (SHA-256).

    Raises ModelError for what is missing or differs.
    """
    try:
        expected: dict[str, str] = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / 'checksums.json'} cannot be read ({error}); {_MEND}") from error
    for name in names or {*FILES, *expected}:
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name} cannot be read ({error}); {_MEND}") from error
        if found != expected.get(name):
            raise ModelError(f"{folder / name} is damaged: its SHA-256 is {found}; {_MEND}")


def _transformers() -> Any:
    # Imported with the first model: it takes seconds, and would warn that torch is missing, as is meant here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    return importlib.import_module("transformers")


def _settings(folder: Path) -> Settings:
    config = _transformers().AutoConfig.from_pretrained(folder, local_files_only=True)
    own: dict[str, Any] = config.newswire
    labels = tuple(config.id2label[number] for number in range(len(config.id2label)))
    return Settings(
        name=own["name"],
        labels=labels,
        topics=tuple(own["topics"]),
        thresholds=tuple(float(value) for value in own["thresholds"]),
        window=int(own["window"]),
        stride=int(own["stride"]),
        opening=int(own["opening"]),
        blend=_blend(own["blend"], len(own["topics"])) if own.get("blend") else None,
    )


def _blend(found: dict[str, Any], topics: int) -> Blend:
    centre = tuple(float(value) for value in found["centre"])
    if len(centre) != topics:
        raise ValueError(f"the blend has {len(centre)} topics of {topics}")
    return Blend(centre=centre, **{name: float(found[name]) for name in ("weight", "rivalry", "scale", "shift")})


class Encoder:
    """A loaded model. Not for use from several threads at once: fast tokenizers are not safe to share."""

    def __init__(
        self, settings: Settings, tokenizer: Any, reader: Any, embedder: Any, name: str, threads: int = 1
    ) -> None:
        self.settings = settings
        self.name = name
        self._tokenizer = tokenizer
        self._reader, self._embedder = reader, embedder
        self._begin = int(tokenizer.token_to_id("<s>"))
        self._end = int(tokenizer.token_to_id("</s>"))
        self._beside = ThreadPoolExecutor(threads, "windows") if threads > 1 else None

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER, threads: int = 1) -> "Encoder":
        """Load and verify a model folder. `threads` windows of an article run side by side; it does not change results.

        Raises ModelError when a file is missing, damaged or not a model of this kind.
        """
        verify(folder)
        with every_core():
            onnxruntime = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # An idle service must not keep a core busy between two articles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            settings = _settings(folder)
            tokenizer = _transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
            reader, embedder = (
                onnxruntime.InferenceSession(
                    str(folder / graph),
                    options,
                    providers=["CPUExecutionProvider"],
                    # Its fused operator is slower on a CPU than the two that it replaces.
                    disabled_optimizers=["SkipLayerNormFusion"],
                )
                for graph in _GRAPHS
            )
        except Exception as error:  # whatever the two libraries raise, it means that this model cannot be used
            raise ModelError(f"the model in {folder} cannot be loaded ({error}); {_MEND}") from error
        give_back()  # what reading the tokenizer's file leaves in the heap is tens of megabytes
        return cls(settings, tokenizer, reader, embedder, f"{settings.name} int8 {instruction_set()}", threads)

    def tokenize(self, text: str) -> Tokens:
        """Sub-tokens of a text without special ones. The text must hold no lone surrogates."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        offsets = np.fromiter(chain.from_iterable(encoding.offsets), dtype=np.int64).reshape(-1, 2)
        return Tokens(np.array(encoding.ids, dtype=np.int64), offsets[:, 0], offsets[:, 1])

    def framed(self, ids: Integers) -> Integers:
        """Sub-token ids between the two special ones that begin and end a window."""
        window = np.empty(len(ids) + 2, dtype=np.int64)
        window[0], window[1:-1], window[-1] = self._begin, ids, self._end
        return window

    def read(self, ids: Integers, states: bool = False) -> Reading:
        """Run one window of sub-token ids, shape (tokens,), at most `settings.window` - 2 of them."""
        wanted = _GIVEN if states else _GIVEN[:2]
        tags, topics, *rest = self._reader.run(wanted, {"input_ids": self.framed(ids)})
        return Reading(tags[1:-1], topics, rest[0][1:-1] if rest else None)

    def read_all(self, windows: Sequence[Integers], states: int = 0) -> list[Reading]:
        """Run each window as `read` does, as many side by side as the encoder has threads; in their order.

        The first `states` of them give their states.
        """
        wanted = [number < states for number in range(len(windows))]
        if self._beside is None or len(windows) == 1:
            return [self.read(ids, each) for ids, each in zip(windows, wanted, strict=True)]
        return list(self._beside.map(self.read, windows, wanted))

    def embed(self, states: Floats) -> Floats:
        """The unit vector (384,) of a text by its states (tokens, 384), at least one and at most `settings.opening`."""
        (embedding,) = self._embedder.run(("embedding",), {"states": states})
        found: Floats = embedding
        return found
