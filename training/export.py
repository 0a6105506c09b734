"""From the checkpoints to the shipped model folder: two int8 ONNX graphs, and their configuration.

Word vectors are stored as int8 with a scale each and looked up inside the graph. Of the rest, the products with
weights run as dynamic int8 (ONNX Runtime's `quantize_dynamic`), with 7-bit weights, so that processors without VNNI,
which add up in 16 bits, do not overflow and give the same integer results.
"""

import copy
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.model import TAGS, Embedder, Layer, NewsEncoder
from training.model_files import RELEASE, write_json
from training.topic_data import TOPICS

NAME = "news-encoder-6"


@dataclass(frozen=True)
class Sizes:
    """In sub-tokens: a window with its two special ones, the step between two, the opening that is embedded."""

    window: int
    stride: int
    opening: int


def _scaled(layers: torch.nn.ModuleList) -> torch.nn.ModuleList:
    """A copy of the layers whose queries are scaled, so that the scores need not be."""
    copied = copy.deepcopy(layers)
    with torch.no_grad():
        for layer in _typed(copied):
            for parameter in layer.query.parameters():
                parameter.mul_((parameter.shape[0] // layer.heads) ** -0.5)
    return copied


def _typed(layers: torch.nn.ModuleList) -> list[Layer]:
    return cast("list[Layer]", list(layers))


def _attend(layer: Layer, states: torch.Tensor) -> torch.Tensor:
    """`Layer.attend` of one sequence without padding, states (length, width): fewer operators."""
    size = layer.query.out_features // layer.heads

    def split(projected: torch.Tensor) -> torch.Tensor:
        return projected.view(-1, layer.heads, size)

    query, value = (split(part(states)).transpose(0, 1) for part in (layer.query, layer.value))
    scores = query @ split(layer.key(states)).permute(1, 2, 0)
    mixed = (scores.softmax(-1) @ value).transpose(0, 1).reshape(-1, layer.heads * size)
    out: torch.Tensor = layer.attention_norm(states + layer.attention_out(mixed))
    return out


class ReadingGraph(torch.nn.Module):
    """The encoder on one window, its word vectors as int8 rows of one scale each."""

    def __init__(self, encoder: NewsEncoder, longest: int) -> None:
        """`longest` window in sub-tokens: there are no more positions in the graph."""
        super().__init__()
        self.encoder = encoder
        words = encoder.trunk.get_buffer("words")
        scale = words.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127.0
        self.register_buffer("rows", (words / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("positions", encoder.trunk.positions.detach()[:longest].clone())
        self.layers = _scaled(encoder.trunk.layers)

    def forward(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token ids (length,) in; tag logits (length, 9), topic logits (17,) and states (length, width) out."""
        rows, scale, positions = (self.get_buffer(name) for name in ("rows", "scale", "positions"))
        vectors = F.embedding(ids, rows).float() * F.embedding(ids, scale)
        states: torch.Tensor = self.encoder.trunk.norm(vectors + positions[: ids.shape[0]])
        for layer in _typed(self.layers):
            states = layer.feed(_attend(layer, states))
        return self.encoder.tag(states), self.encoder.topic(states.mean(0)), states


class EmbeddingGraph(torch.nn.Module):
    """The embedder on the states of one text."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.out = embedder.out
        self.layers = _scaled(embedder.layers)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """States (length, width) in, a unit vector (width,) out."""
        *before, last = _typed(self.layers)
        for layer in before:
            states = layer.feed(_attend(layer, states))
        return F.normalize(self.out(last.feed(_attend(last, states).mean(0))), dim=-1)


def _export(
    graph: torch.nn.Module, example: torch.Tensor, names: tuple[str, ...], long: tuple[str, ...], path: Path
) -> None:
    """Write an int8 graph; `names` of its input and its outputs, of which `long` ones are as long as the text."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            graph.eval(),
            (example,),
            str(plain),
            input_names=list(names[:1]),
            output_names=list(names[1:]),
            dynamic_axes={name: {0: "length"} for name in long},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(
            plain,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
        )


def export_graph(model: NewsEncoder, longest: int, path: Path) -> None:
    """Write the encoder's int8 graph: input_ids, at most `longest` of them -> tag_logits, topic_logits, states."""
    names = ("input_ids", "tag_logits", "topic_logits", "states")
    long = ("input_ids", "tag_logits", "states")
    _export(ReadingGraph(model, longest), torch.randint(5, 1000, (24,)), names, long, path)


def export_embedder(embedder: Embedder, path: Path) -> None:
    """Write the embedder's int8 graph: states -> embedding."""
    example = torch.randn(24, embedder.out.in_features)
    _export(EmbeddingGraph(embedder), example, ("states", "embedding"), ("states",), path)


def write_config(folder: Path, model: NewsEncoder, thresholds: list[float], sizes: Sizes) -> None:
    """Write config.json and tokenizer_config.json as transformers' AutoConfig and AutoTokenizer read them."""
    layer = model.trunk.layers[0]
    config = {
        "architectures": ["BertForTokenClassification"],
        "model_type": "bert",
        "vocab_size": model.trunk.get_buffer("words").shape[0],
        "hidden_size": int(model.tagger.in_features),
        "num_hidden_layers": len(model.trunk.layers),
        "num_attention_heads": int(layer.heads),  # type: ignore[arg-type]
        "intermediate_size": int(layer.feed_in.out_features),  # type: ignore[union-attr, arg-type]
        "max_position_embeddings": sizes.window,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "id2label": {str(number): tag for number, tag in enumerate(TAGS)},
        "label2id": {tag: number for number, tag in enumerate(TAGS)},
        "newswire": {
            "name": NAME,
            "taxonomy": RELEASE,
            "topics": list(TOPICS),
            "thresholds": thresholds,
            **asdict(sizes),
        },
    }
    write_json(folder / "config.json", config)
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
        "model_max_length": sizes.window,
    }
    write_json(folder / "tokenizer_config.json", tokenizer)
