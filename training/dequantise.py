"""The weights in int8 graphs, as networks that can be trained on: what their checkpoints were, but for rounding.

The trunk's projection is in no graph and begins anew, and topic logits stay scaled as they were
(`training/calibration.py`).
"""

import shutil
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper

from training.model import Embedder, NewsEncoder
from training.narrow import layers_of, resize
from training.optimise import Checkpoint
from training.teacher import TeacherWeights, load_teacher, tokenizer_file
from training.vocabulary import old_ids, trim_words

_LINEAR = ("query", "key", "value", "attention_out", "feed_in", "feed_out")
_NORMS = ("attention_norm", "feed_norm")


class _Graph:
    """The tensors of a graph by name."""

    def __init__(self, path: Path, weights: TeacherWeights) -> None:
        self._heads_root = (weights.width // weights.heads) ** 0.5
        self.tensors = {t.name: torch.tensor(numpy_helper.to_array(t)) for t in onnx.load(path).graph.initializer}
        ends = "_quantized"
        self._unnamed = [
            name.removesuffix(ends) for name in self.tensors if name.startswith("onnx::MatMul") and name.endswith(ends)
        ]

    def product(self, name: str) -> torch.Tensor:
        """The weights (out, in) of a product that was quantised with a scale for each of its outputs.

        What the export gave no name, it put into the order in which it is used.
        """
        if f"{name}_quantized" not in self.tensors:
            name = self._unnamed.pop(0)
        whole, scale, zero = (self.tensors[f"{name}_{part}"].float() for part in ("quantized", "scale", "zero_point"))
        return ((whole - zero) * scale).T

    def layer(self, number: int) -> dict[str, torch.Tensor]:
        """One layer's tensors as `training.model.Layer` names them."""
        own, state = f"layers.{number}.", dict[str, torch.Tensor]()
        for name in _LINEAR:
            state[f"{name}.weight"] = self.product(f"{own}{name}.weight_Transposed")
            state[f"{name}.bias"] = self.tensors[f"{own}{name}.bias"]
            if name == "query":  # exported with the scores' scale
                state[f"{name}.weight"] *= self._heads_root
                state[f"{name}.bias"] *= self._heads_root
        for name in _NORMS:
            for kind in ("weight", "bias"):
                state[f"{name}.{kind}"] = self.tensors[f"{own}{name}.{kind}"]
        return state

    def layers(self) -> list[dict[str, torch.Tensor]]:
        """All layers' tensors, from the first on."""
        return [self.layer(number) for number in range(sum(name.endswith("feed_in.bias") for name in self.tensors))]


def _prefixed(prefix: str, layers: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{number}.{name}": tensor for number, one in enumerate(layers) for name, tensor in one.items()}


def _load(module: NewsEncoder | Embedder, state: dict[str, torch.Tensor]) -> None:
    module.load_state_dict({**module.state_dict(), **state})


def encoder_of(path: Path, weights: TeacherWeights) -> NewsEncoder:
    """The encoder that was exported to a reading graph; `weights` are those of a teacher of its dimensions."""
    graph = _Graph(path, weights)
    layers = graph.layers()
    encoder = NewsEncoder(weights, len(graph.tensors["encoder.topic_outer.bias"]), len(layers))
    resize(layers_of(encoder.trunk), layers)
    state = {
        name.removeprefix("encoder."): tensor for name, tensor in graph.tensors.items() if name.startswith("encoder.")
    }
    state = {name: tensor for name, tensor in state.items() if name in encoder.state_dict()}
    state["trunk.words"] = graph.tensors["rows"].float() * graph.tensors["scale"]
    state["trunk.positions"] = encoder.trunk.positions.detach().clone()
    state["trunk.positions"][: len(graph.tensors["positions"])] = graph.tensors["positions"]
    state |= _prefixed("trunk.layers.", layers)
    for name in ("tagger", "topic_inner", "topic_outer"):
        state[f"{name}.weight"] = graph.product(f"encoder.{name}.weight_Transposed")
    _load(encoder, state)
    return encoder


def embedder_of(path: Path, weights: TeacherWeights) -> Embedder:
    """The embedder that was exported to a graph; `weights` are those of a teacher of its dimensions."""
    graph = _Graph(path, weights)
    layers = graph.layers()
    embedder = Embedder(weights, (0,) * len(layers))
    state = {"out.bias": graph.tensors["out.bias"], **_prefixed("layers.", layers)}
    state["out.weight"] = graph.product("out.weight_Transposed")
    _load(embedder, state)
    return embedder


def write_work_files(model: Path, out: Path) -> None:
    """Make of a model folder the work files with which `training.make` goes on: the vocabulary's two, checkpoint.pt and
    embedder-1.pt. An embedder that is there already stays: it has learned more since.
    """
    shutil.copy(model / "tokenizer.json", out / "tokenizer.json")
    old = old_ids(tokenizer_file(), out / "tokenizer.json")
    torch.save(old, out / "pieces.pt")
    weights = load_teacher()
    weights.state["words"] = trim_words(weights.state["words"], old)
    Checkpoint(out / "checkpoint.pt").save(encoder_of(model / "model.onnx", weights), 0)
    if not (out / "embedder-1.pt").is_file():
        Checkpoint(out / "embedder-1.pt").save(embedder_of(model / "embedder.onnx", weights), 0)
