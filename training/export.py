"""From a checkpoint to the shipped model folder: one int8 ONNX graph, and its configuration.

Word vectors are stored as int8 with a scale each and looked up inside the graph. Of the rest, the products with
weights run as dynamic int8 (ONNX Runtime's `quantize_dynamic`), with 7-bit weights, so that processors without VNNI,
which add up in 16 bits, do not overflow and give the same integer results.
"""

import tempfile
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.model import TAGS, NewsEncoder
from training.model_files import RELEASE, write_json
from training.topic_data import TOPICS

NAME = "news-encoder-2"
_INPUTS = ("input_ids", "attention_mask")
_OUTPUTS = ("tag_logits", "topic_logits", "embedding")


class _Graph(torch.nn.Module):
    """The encoder with its word vectors as int8 rows of one scale each."""

    def __init__(self, encoder: NewsEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        words = encoder.trunk.get_buffer("words")
        scale = words.abs().amax(1, keepdim=True).clamp_min(1e-8) / 127.0
        self.register_buffer("rows", (words / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows, scale = self.get_buffer("rows"), self.get_buffer("scale")
        vectors = F.embedding(ids, rows).float() * F.embedding(ids, scale)
        return self.encoder.heads(self.encoder.trunk.contextualise(vectors, mask), mask)


def export_graph(model: NewsEncoder, path: Path) -> None:
    """Write the int8 graph: input_ids, attention_mask (batch, length) -> tag_logits, topic_logits, embedding."""
    graph = _Graph(model).eval()
    ids = torch.randint(5, 1000, (2, 24))
    axes = {name: {0: "batch", 1: "length"} for name in (*_INPUTS, "tag_logits")}
    axes |= {name: {0: "batch"} for name in _OUTPUTS[1:]}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            graph,
            (ids, torch.ones_like(ids)),
            str(plain),
            input_names=list(_INPUTS),
            output_names=list(_OUTPUTS),
            dynamic_axes=axes,
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


def write_config(folder: Path, model: NewsEncoder, thresholds: list[float], window: int, stride: int) -> None:
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
        "max_position_embeddings": int(model.trunk.positions.shape[0]),
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
            "window": window,
            "stride": stride,
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
        "model_max_length": int(model.trunk.positions.shape[0]),
    }
    write_json(folder / "tokenizer_config.json", tokenizer)
