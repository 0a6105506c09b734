"""Narrower layers: what adds nothing goes first, and what is left learns what the wide trunk said."""

from pathlib import Path

import pytest

from newswire.pipeline.analysis.encoder import MODEL_FOLDER
from tests.torch_installed import with_torch
from tests.unit.training.test_making import HEADS, LAYERS, WIDTH, documents, texts, weights
from training.topic_data import TOPICS
from training.variants import Names


@with_torch
def test_units_that_add_nothing_are_cut_and_the_states_stay() -> None:
    import torch

    from training.batches import TagBatch
    from training.model import Trunk
    from training.narrow import cut, importance, layers_of, most_important

    trunk = Trunk(weights(), LAYERS, 0.0)
    useless = [torch.tensor([3, 10, 11, 40]), torch.tensor([0, 5, 62, 63])]
    layers = layers_of(trunk)
    with torch.no_grad():
        layers[0].feed_out.weight[:, useless[0]] = 0.0  # active, and heard by nobody
        layers[1].feed_in.bias[useless[1]] = -100.0  # heard, and never active
    ids = torch.randint(5, 5000, (4, 20))
    mask = (torch.arange(20) < torch.tensor([[20], [12], [20], [7]])).long()
    found = importance(trunk, [TagBatch(ids, mask, ids)])
    for one, none in zip(found, useless, strict=True):
        assert set(one.units.topk(4, largest=False).indices.tolist()) == set(none.tolist())
    before = trunk(ids, mask)
    cut(layers, most_important(found, 2 * WIDTH - 4, HEADS))
    assert [layer.feed_in.out_features for layer in layers] == [2 * WIDTH - 4] * LAYERS
    assert torch.allclose(trunk(ids, mask), before, atol=1e-5)
    cut(layers, most_important(importance(trunk, [TagBatch(ids, mask, ids)]), WIDTH, HEADS))
    assert not torch.allclose(trunk(ids, mask), before, atol=1e-2)


@with_torch
def test_a_head_that_always_says_the_same_is_cut_before_one_that_says_little() -> None:
    import torch

    from training.batches import TagBatch
    from training.model import Trunk
    from training.narrow import cut, importance, layers_of, most_important

    trunk = Trunk(weights(), LAYERS, 0.0)
    layers, size = layers_of(trunk), WIDTH // HEADS
    same = torch.linspace(1.0, 4.0, size)
    with torch.no_grad():
        layers[0].value.weight[:size] = 0.0  # the first head of the first layer
        layers[0].value.bias[:size] = same
        layers[0].value.weight[size:] *= 0.02
        layers[1].attention_out.weight[:, size:] = 0.0  # the second one of the second layer, heard by nobody
    ids = torch.randint(5, 5000, (4, 20))
    mask = torch.ones_like(ids)
    found = importance(trunk, [TagBatch(ids, mask, ids)])
    kept = most_important(found, 2 * WIDTH, 1)
    assert [part.heads.tolist() for part in kept] == [[1], [0]]
    before = trunk(ids, mask)
    with torch.no_grad():
        layers[0].attention_out.bias.add_(layers[0].attention_out.weight[:, :size] @ same)
    cut(layers, kept)
    assert [(layer.heads, layer.query.out_features) for layer in layers] == [(1, size)] * LAYERS
    assert torch.allclose(trunk(ids, mask), before, atol=1e-4)
    with torch.no_grad():  # the other way to compute attention
        assert torch.allclose(trunk(ids, mask), before, atol=1e-4)


@with_torch
@pytest.mark.parametrize("widths", [(0, 8), (768, 0), (-1, 8)])
def test_a_layer_of_nothing_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widths: tuple[int, int]
) -> None:
    from training.make import main

    out = tmp_path / "out"
    given = ["make", "--data", str(tmp_path), "--out", str(out), "--narrow", *map(str, widths)]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(ValueError, match="at least one hidden unit and one head"):
        main()
    assert not out.exists()


@with_torch
def test_padding_says_nothing_of_a_units_importance() -> None:
    import torch

    from training.batches import TagBatch
    from training.model import Trunk
    from training.narrow import importance

    trunk = Trunk(weights(), LAYERS, 0.0)
    ids = torch.randint(5, 5000, (3, 9))
    padded = torch.cat([ids, torch.randint(5, 5000, (3, 6))], 1)
    mask = torch.ones_like(ids)
    alone = importance(trunk, [TagBatch(ids, mask, ids)])
    beside = importance(trunk, [TagBatch(padded, torch.nn.functional.pad(mask, (0, 6)), padded)])
    for one, other in zip(alone, beside, strict=True):
        assert torch.allclose(one.units, other.units, rtol=1e-3)
        assert torch.allclose(one.heads, other.heads, rtol=1e-3)


@with_torch
@pytest.mark.slow
def test_a_narrower_trunk_learns_the_states_of_the_wide_one_and_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    import copy

    import torch
    from tokenizers import Tokenizer

    from training.batches import Batcher, Limits, TagBatch, TextBatch
    from training.model import NewsEncoder, Trunk
    from training.narrow import NarrowRecipe, cut, importance, layers_of, most_important, narrow, state_distance
    from training.optimise import Checkpoint

    batcher = Batcher(Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")), Limits(48, 512, 16), 5)
    batches: list[TagBatch | TextBatch] = [
        *batcher.tagging(documents(), 15_000, Names(documents())),
        *batcher.texts(texts(), 15_000, join=False, windows=1),
    ]
    batcher.shuffle(batches)
    model = NewsEncoder(weights(), len(TOPICS), LAYERS)
    wide = copy.deepcopy(model).eval()
    recipe = NarrowRecipe(WIDTH, HEADS, encoder_rate=3e-3, head_rate=1e-2)

    def distance(trunk: Trunk) -> float:
        with torch.no_grad():
            rows = [state_distance(trunk(b.ids, b.mask), wide.trunk(b.ids, b.mask), b.mask) for b in batches[:10]]
        return float(torch.stack(rows).mean())

    only_cut = copy.deepcopy(wide.trunk)
    cut(
        layers_of(only_cut),
        most_important(importance(only_cut, batches), recipe.feed, recipe.heads),
    )
    checkpoint = Checkpoint(tmp_path / "narrow.pt")
    narrow(model, wide, batches, recipe, checkpoint)
    assert distance(model.trunk) < 0.7 * distance(only_cut)
    labelled = next(batch for batch in batches if isinstance(batch, TagBatch))
    with torch.no_grad():
        logits = model.tag(model.trunk(labelled.ids, labelled.mask))
    known = labelled.labels != -100
    assert (logits.argmax(-1) == labelled.labels)[known].float().mean() > 0.95

    again = NewsEncoder(weights(), len(TOPICS), LAYERS)
    narrow(again, wide, batches, recipe, checkpoint)  # all steps are done: the checkpoint's weights
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
