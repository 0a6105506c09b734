"""Narrower layers: what adds nothing goes first, and what is left learns on, broken off or not."""

from dataclasses import replace
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


@pytest.mark.parametrize("given", [{"feed": 0}, {"heads": 0}, {"heads": -1}, {"whole": -0.1}, {"whole": 1.0}])
@with_torch
def test_a_layer_of_nothing_is_refused_and_a_part_that_is_none(given: dict[str, float]) -> None:
    from training.train import Recipe

    with pytest.raises(ValueError, match=r"at least one hidden unit and one head|part of the steps"):
        Recipe(**given)  # type: ignore[arg-type]


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
def test_a_trunk_is_cut_on_the_way_and_goes_on_from_either_side_of_the_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from tokenizers import Tokenizer

    from training import train as training
    from training.batches import Batcher, Limits, TagBatch, TextBatch
    from training.model import NewsEncoder, Teacher
    from training.narrow import layers_of, load
    from training.optimise import Checkpoint, Schedule, optimise

    batcher = Batcher(Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")), Limits(48, 512, 16), 5)
    batches: list[TagBatch | TextBatch] = [
        *batcher.tagging(documents(), 15_000, Names(documents())),
        *batcher.texts(texts(), 15_000, join=False, windows=1),
    ]
    batcher.shuffle(batches)
    recipe = training.Recipe(encoder_rate=3e-3, head_rate=1e-2, whole=0.25, feed=WIDTH, heads=1)
    cut_at = round(len(batches) * 0.25)
    ran: list[tuple[int, int | None, int]] = []

    def until(stop: int, checkpoint: Checkpoint) -> NewsEncoder:
        """A run that is broken off after `stop` steps, its checkpoint written."""
        model = NewsEncoder(weights(), len(TOPICS), LAYERS)

        def steps(
            module: NewsEncoder, groups: object, loss: object, schedule: Schedule, checkpoint: Checkpoint
        ) -> None:
            end = min(schedule.end or schedule.steps, stop)
            ran.append((schedule.done, end, layers_of(module.trunk)[0].heads))
            if schedule.done < end:
                optimise(module, groups, loss, replace(schedule, end=end), checkpoint)  # type: ignore[arg-type]
            if end == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(training, "optimise", steps)
        with pytest.raises(KeyboardInterrupt):
            training.train(model, Teacher(weights(), torch.float32), batches, recipe, checkpoint)
        return model

    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    for stop in (cut_at - 2, cut_at, cut_at + 5, len(batches)):
        model = until(stop, checkpoint)
    assert ran == [
        (0, cut_at - 2, HEADS),
        (cut_at - 2, cut_at, HEADS),
        (cut_at, cut_at + 5, 1),
        (cut_at + 5, len(batches), 1),
    ]
    assert [layer.feed_in.out_features for layer in layers_of(model.trunk)] == [WIDTH] * LAYERS
    labelled = next(batch for batch in batches if isinstance(batch, TagBatch))
    with torch.no_grad():
        logits = model.eval().tag(model.trunk(labelled.ids, labelled.mask))
    known = labelled.labels != -100
    assert (logits.argmax(-1) == labelled.labels)[known].float().mean() > 0.95

    again = NewsEncoder(weights(), len(TOPICS), LAYERS)
    assert load(again, checkpoint) == len(batches)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())
