"""Networks that are read back from int8 graphs say what was exported."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from tests.torch_installed import with_torch
from tests.unit.training.test_making import LAYERS, WIDTH, weights
from training.topic_data import TOPICS

if TYPE_CHECKING:
    from torch import nn


def no_two_alike(module: "nn.Module") -> None:
    """Change all parameters a little: the export keeps those that are the same, as zeros are, once."""
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)


@with_torch
def test_an_encoder_of_several_widths_is_read_back(tmp_path: Path) -> None:
    import torch

    from training.dequantise import encoder_of
    from training.export import export_graph
    from training.model import NewsEncoder
    from training.narrow import Part, cut, layers_of

    model = NewsEncoder(weights(), len(TOPICS), LAYERS).eval()
    widths = Part(torch.arange(WIDTH), torch.tensor([0, 1])), Part(torch.arange(5, 5 + WIDTH // 2), torch.tensor([1]))
    cut(layers_of(model.trunk), widths)
    no_two_alike(model)
    export_graph(model, 128, tmp_path / "model.onnx")
    made = weights()
    found = encoder_of(tmp_path / "model.onnx", made).eval()
    assert [(layer.feed_in.out_features, layer.heads) for layer in layers_of(found.trunk)] == [(32, 2), (16, 1)]
    ids = torch.randint(5, 5000, (2, 30))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        wanted, read = model(ids, mask), found(ids, mask)
    for one, other in zip(wanted[:2], read[:2], strict=True):
        assert (one - other).abs().max() < 0.05 * one.abs().max()
    assert found.trunk.positions.shape == made.state["positions"].shape


@with_torch
def test_an_embedder_is_read_back(tmp_path: Path) -> None:
    import torch

    from training.dequantise import embedder_of
    from training.export import export_embedder
    from training.model import Embedder

    embedder = Embedder(weights(), (0, 1))
    no_two_alike(embedder)
    export_embedder(embedder, tmp_path / "embedder.onnx")
    found = embedder_of(tmp_path / "embedder.onnx", weights())
    states, mask = torch.randn(3, 20, WIDTH), torch.ones(3, 20)
    with torch.no_grad():
        assert (found(states, mask) * embedder(states, mask)).sum(1).min() > 0.999


@with_torch
def test_the_pieces_of_a_trimmed_vocabulary_are_found_again(tmp_path: Path) -> None:
    from training.teacher import tokenizer_file
    from training.vocabulary import old_ids, trim

    text, old = trim(tokenizer_file(), ["The Kremlin's spokesman", "Лозова Рудка"], 12_000)
    (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
    assert old_ids(tokenizer_file(), tmp_path / "tokenizer.json") == old


@with_torch
@pytest.mark.slow
def test_a_making_begins_with_the_weights_that_are_shipped(tmp_path: Path) -> None:
    import torch

    from training.dequantise import write_work_files
    from training.embedder import ROUNDS
    from training.make import embedder_checkpoint, load_encoder, trim_vocabulary
    from training.model import Embedder
    from training.teacher import load_teacher
    from training.train import Recipe

    write_work_files(MODEL_FOLDER, tmp_path)
    made = load_teacher()
    trim_vocabulary(tmp_path, tmp_path, made, Recipe())
    model, embedder = load_encoder(tmp_path, made, Recipe()).eval(), Embedder(made, ROUNDS[-1].layers)
    embedder_checkpoint(tmp_path, 1).load(embedder)
    shipped = Encoder.load()
    ids = shipped.tokenize("The Kremlin's spokesman left Riga, Ann Lee of the State Duma said on Monday").ids
    reading = shipped.read(ids, states=True)
    assert reading.states is not None
    framed = torch.tensor(shipped.framed(ids)[None])
    with torch.no_grad():
        states = model.trunk(framed, torch.ones_like(framed))
        tags = model.tag(states)[0, 1:-1]
        embedding = embedder(torch.tensor(reading.states)[None], torch.ones(1, len(ids)))[0]
    assert tags.argmax(-1).tolist() == reading.tags.argmax(-1).tolist()
    assert torch.nn.functional.cosine_similarity(torch.tensor(reading.states), states[0, 1:-1]).min() > 0.98
    assert float(torch.tensor(shipped.embed(reading.states)) @ embedding) > 0.99
    embedder_checkpoint(tmp_path, 1).save(embedder, 7)
    write_work_files(MODEL_FOLDER, tmp_path)
    assert embedder_checkpoint(tmp_path, 1).load(embedder) == 7
