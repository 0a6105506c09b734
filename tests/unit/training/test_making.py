"""The encoder's making from end to end, small: batches, training, export, and the shipped code reading the result."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from newswire.pipeline.analysis.topics import Taxonomy
from tests.torch_installed import with_torch
from training.tagging_data import TaggedDocument
from training.topic_data import TOPICS, TopicText, labelled
from training.variants import Names

if TYPE_CHECKING:
    from training.teacher import TeacherWeights

WIDTH, HEADS, LAYERS, PLACES = 32, 2, 2, 160
PEOPLE, TOWNS = ("Ann", "Lee", "Mia", "Bob"), ("Riga", "Oslo", "Rome", "Bern")


def weights() -> "TeacherWeights":
    """A small random teacher over the shipped vocabulary."""
    import torch

    from training.teacher import TeacherWeights

    torch.manual_seed(3)
    vocabulary = Encoder.load()._tokenizer.get_vocab_size()
    state = {
        "words": torch.randn(vocabulary, WIDTH),
        "positions": torch.randn(PLACES, WIDTH) * 0.02,
        "norm.weight": torch.ones(WIDTH),
        "norm.bias": torch.zeros(WIDTH),
    }
    shapes = {
        **dict.fromkeys(("query", "key", "value", "attention_out"), (WIDTH, WIDTH)),
        "feed_in": (2 * WIDTH, WIDTH),
        "feed_out": (WIDTH, 2 * WIDTH),
    }
    for layer in range(LAYERS):
        for name, (rows, columns) in shapes.items():
            state[f"layers.{layer}.{name}.weight"] = torch.randn(rows, columns) * columns**-0.5
            state[f"layers.{layer}.{name}.bias"] = torch.zeros(rows)
        for name in ("attention_norm", "feed_norm"):
            state[f"layers.{layer}.{name}.weight"] = torch.ones(WIDTH)
            state[f"layers.{layer}.{name}.bias"] = torch.zeros(WIDTH)
    return TeacherWeights(WIDTH, LAYERS, HEADS, 2 * WIDTH, PLACES, 1e-12, state)


def documents() -> list[TaggedDocument]:
    """Persons who met in towns."""
    made = []
    for person in PEOPLE:
        for town in TOWNS:
            text = f"The mayor met {person} in {town} on Monday."
            at, place = text.index(person), text.index(town)
            spans = ((at, at + len(person), "PER"), (place, place + len(town), "LOC"))
            made.append(TaggedDocument(f"made-{person}-{town}", "en", text, spans))
    return made


def texts() -> list[TopicText]:
    """Sport and weather, in the words of each."""
    sport = [
        labelled(f"sport-{n}", "en", f"The match ended with goal number {n} of the team", (15,)) for n in range(20)
    ]
    rain = [labelled(f"rain-{n}", "en", f"Heavy rain and storm of {n} degrees expected", (17,)) for n in range(20)]
    return sport + rain


@with_torch
@pytest.mark.slow
def test_what_is_trained_is_found_by_the_shipped_code(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    from training import export, model_files
    from training.batches import Batcher, Limits, TagBatch, TextBatch
    from training.model import Embedder, NewsEncoder, Teacher
    from training.optimise import Checkpoint
    from training.train import Recipe, centre_teacher, train

    made = weights()
    batcher = Batcher(Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")), Limits(48, 512, 16), 5)
    tagging = batcher.tagging(documents(), 30_000, Names(documents()))
    topics = batcher.texts(texts(), 30_000, join=False, windows=1)
    assert sum(batch.ids.numel() for batch in tagging) >= 30_000
    assert all(batch.ids.shape == batch.mask.shape == batch.labels.shape for batch in tagging)
    teacher = Teacher(made, torch.float32)
    centre_teacher(teacher, topics[:5])
    model = NewsEncoder(made, len(TOPICS), LAYERS)
    batches: list[TagBatch | TextBatch] = [*tagging, *topics]
    batcher.shuffle(batches)
    recipe = Recipe(encoder_rate=3e-3, head_rate=1e-2, feed=WIDTH, heads=1)
    train(model, teacher, batches, recipe, Checkpoint(tmp_path / "checkpoint.pt"))
    saved = torch.load(tmp_path / "checkpoint.pt")
    assert saved["step"] == len(batches)

    folder = tmp_path / export.NAME
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL_FOLDER / name, folder / name)
    export.export_graph(model, 128, folder / "model.onnx")
    export.export_embedder(Embedder(made, (0, 1)), folder / "embedder.onnx")
    export.write_config(folder, model, [0.5] * len(TOPICS), export.Sizes(128, 116, 126))
    model_files.write_checksums(folder)
    analyzer = Analyzer(Encoder.load(folder), Taxonomy.load())
    found = analyzer.analyze("", "The mayor met Mia in Oslo on Monday.")
    assert [(one.text, one.type) for one in found.entities] == [("Mia", "PER"), ("Oslo", "LOC")]
    assert [one.id for one in analyzer.analyze("", "The match ended with goal number 7").topics] == [TOPICS[14]]
    before = analyzer.analyze("", "Heavy rain and storm of 7 degrees expected").topics
    assert [one.id for one in before] == [TOPICS[16]]

    model.scale_topics(0.5, -0.25)
    export.export_graph(model, 128, folder / "model.onnx")
    model_files.write_checksums(folder)
    again = Analyzer(Encoder.load(folder), Taxonomy.load())
    after = again.analyze("", "Heavy rain and storm of 7 degrees expected").topics
    odds = before[0].score / (1 - before[0].score)
    assert after[0].score == pytest.approx(1 / (1 + odds**-0.5 * 2.718281828**0.25), abs=0.02)


@with_torch
@pytest.mark.slow
def test_the_embedder_learns_the_teachers_embeddings_and_is_exported(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    from training import export, model_files
    from training.batches import Batcher, Limits
    from training.embedder import EmbedderRecipe, build_text_batches, texts_of_documents, train_embedder
    from training.model import Embedder, NewsEncoder, Teacher
    from training.optimise import Checkpoint
    from training.train import centre_teacher
    from training.vocabulary import piece_id

    made = weights()
    tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    frame = piece_id(tokenizer, "<s>"), piece_id(tokenizer, "</s>")
    recipe = EmbedderRecipe(layers=(0, 1), rate=3e-3, passes=2, share=0.5, iptc=12_000, tagged=12_000)
    items = texts_of_documents(documents()) + [replace(text, id=f"iptc-{text.id}") for text in texts()]
    batches = build_text_batches(Batcher(tokenizer, Limits(48, 512, 16), 5), items, recipe)
    teacher, model = Teacher(made, torch.float32), NewsEncoder(made, len(TOPICS), 1)
    embedder = Embedder(made, recipe.layers)
    centre_teacher(teacher, batches[:40])
    trunk = {name: value.clone() for name, value in model.state_dict().items()}

    def distance() -> float:
        with torch.no_grad():
            rows = [
                1.0
                - (embedder(model.trunk(one.ids, one.mask), one.mask) * teacher(one.teacher_ids, one.teacher_mask))
                .sum(1)
                .mean()
                for one in batches[:10]
            ]
        return float(torch.stack(rows).mean())

    before = distance()
    checkpoint = Checkpoint(tmp_path / "embedder.pt")
    assert checkpoint.resume(embedder) == 0
    with pytest.raises(FileNotFoundError):
        checkpoint.load(embedder)
    asked: list[object] = []
    hook = teacher.register_forward_hook(lambda *call: asked.append(call))
    train_embedder(embedder, model, teacher, batches, frame, recipe, checkpoint)
    hook.remove()
    assert len(asked) == len(batches)
    assert distance() < 0.5 * before
    assert all(torch.equal(value, trunk[name]) for name, value in model.state_dict().items())
    resumed = Embedder(made, recipe.layers)
    assert checkpoint.resume(resumed) == 2 * len(batches)
    assert all(torch.equal(value, embedder.state_dict()[name]) for name, value in resumed.state_dict().items())

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODEL_FOLDER / name, tmp_path / name)
    export.export_graph(model, 128, tmp_path / "model.onnx")
    export.export_embedder(embedder, tmp_path / "embedder.onnx")
    export.write_config(tmp_path, model, [0.5] * len(TOPICS), export.Sizes(128, 116, 126))
    model_files.write_checksums(tmp_path)
    shipped = Encoder.load(tmp_path)
    text = "Heavy rain and storm of 7 degrees expected, and the match ended with goal number 3 of the team"
    tokens = shipped.tokenize(text)
    reading = shipped.read(tokens.ids, states=True)
    assert reading.states is not None
    ids = torch.tensor([[frame[0], *tokens.ids.tolist(), frame[1]]])
    with torch.no_grad():
        states = model.trunk(ids, torch.ones_like(ids))
        tags, topics = model.tag(states)[0, 1:-1], model.topic(states.mean(1))[0]
        wanted = embedder(states[:, 1:-1], torch.ones(1, len(tokens.ids)))[0]
    assert torch.nn.functional.cosine_similarity(torch.tensor(reading.states), states[0, 1:-1]).min() > 0.99
    assert torch.tensor(reading.tags).sub(tags).abs().max() < 0.1 * tags.abs().max()
    assert torch.tensor(reading.topics).sub(topics).abs().max() < 0.1 * topics.abs().max()
    assert float(torch.tensor(shipped.embed(reading.states)) @ wanted) > 0.98


@with_torch
def test_attention_is_the_same_with_a_backward_pass_and_without_one() -> None:
    import torch

    from training.model import Trunk, padding_bias

    (layer, *_) = Trunk(weights(), 1, 0.0).layers
    states = torch.randn(3, 9, WIDTH)
    bias = padding_bias(torch.tensor([[1] * 9, [1] * 5 + [0] * 4, [1] * 7 + [0] * 2]), states.dtype)
    learning = layer(states, bias)
    with torch.no_grad():
        reading = layer(states, bias)
    assert learning.requires_grad
    assert torch.allclose(learning, reading, atol=1e-5)
    assert not torch.allclose(layer(states, torch.zeros_like(bias)), reading, atol=1e-3)


@with_torch
def test_a_teacher_of_fewer_digits_says_the_same() -> None:
    import torch

    from training.model import Teacher

    made = weights()
    ids = torch.randint(5, 5000, (8, 20))
    mask = (torch.arange(20) < torch.arange(13, 21)[:, None]).long()
    plain, short = Teacher(made, torch.float32), Teacher(made, torch.bfloat16)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        exact, near = plain(ids, mask), short(ids, mask)
    assert exact.dtype == near.dtype == torch.float32
    assert 0.999 < float((exact * near).sum(1).min()) < 0.9999999
    with torch.no_grad():
        assert torch.equal(plain(ids, mask), exact)


@with_torch
def test_an_opening_in_two_windows_keeps_its_tokens_in_order() -> None:
    import torch
    from tokenizers import Tokenizer

    from training.batches import Batcher, Limits
    from training.embedder import opening_states
    from training.model import Trunk
    from training.vocabulary import piece_id

    tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    begin, end = piece_id(tokenizer, "<s>"), piece_id(tokenizer, "</s>")
    (batch,) = Batcher(tokenizer, Limits(48, 4096, 99), 5).texts(texts()[:6], 30, join=False, windows=1)
    trunk = Trunk(weights(), 1, 0.0)
    with torch.no_grad():
        whole, mask = opening_states(trunk, batch, begin, end, None)
        parts, same = opening_states(trunk, batch, begin, end, 4)
        row = batch.ids[0, : int(batch.mask[0].sum())]
        first = torch.tensor([[*row[:4], end]])
        second = torch.tensor([[begin, *row[4:]]])
        alone = [trunk(ids, torch.ones_like(ids))[0] for ids in (first, second)]
    assert torch.equal(mask, same)
    assert mask[0].tolist() == [0, *[1] * (len(row) - 2), *[0] * (mask.shape[1] - len(row) + 1)]
    assert whole.shape == parts.shape
    assert torch.allclose(parts[0, : len(row)], torch.cat([alone[0][:-1], alone[1][1:]]), atol=1e-5)


@with_torch
@pytest.mark.slow
def test_a_stopped_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    import torch
    from tokenizers import Tokenizer

    from training.batches import Batcher, Limits, TagBatch, TextBatch
    from training.model import NewsEncoder, Teacher
    from training.optimise import Checkpoint
    from training.train import Recipe, train

    made = weights()
    batcher = Batcher(Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json")), Limits(48, 512, 16), 5)
    batches: list[TagBatch | TextBatch] = [*batcher.tagging(documents(), 5_000, Names(documents()))]
    model, checkpoint = NewsEncoder(made, len(TOPICS), LAYERS), Checkpoint(tmp_path / "checkpoint.pt")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    checkpoint.save(model, len(batches) - 1)
    train(model, Teacher(made, torch.float32), batches, Recipe(), checkpoint)
    saved = torch.load(tmp_path / "checkpoint.pt")
    assert saved["step"] == checkpoint.load(model) == len(batches)
    moved = {name for name, value in saved["model"].items() if not torch.equal(value, before[name])}
    assert "tagger.weight" in moved
    assert "trunk.words" not in moved


@with_torch
@pytest.mark.parametrize("unrestricted", [False, True])
def test_sets_for_research_or_non_commercial_use_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unrestricted: bool
) -> None:
    from tokenizers import Tokenizer

    from training import make, tagging_data, topic_data
    from training.train import UNRESTRICTED, Recipe

    names = ("conll", "wikineural", "ner_uk", "factrueval", "slavner", "wnut")
    sets = dict(zip(names, ("Ida", "Zoe", "Ugo", "Fay", "Max", "Tom"), strict=True))
    for name, person in sets.items():
        of_set = [TaggedDocument(f"{name}-{n}", "en", f"{person} slept", ((0, 3, "PER"),)) for n in range(20)]
        monkeypatch.setattr(tagging_data, f"read_{name}", lambda *_, found=of_set: found)
    monkeypatch.setattr(make, "war_reports", lambda *_: documents())
    others = ("iptc", "bbc", "masakha", "sib", "replay", "slavic")
    labels = [labelled(f"{name}-1", "en", f"{name} match", (15,)) for name in others]
    monkeypatch.setattr(topic_data, "read_all", lambda _: labels)
    monkeypatch.setattr(topic_data, "read_taxonomy", lambda _: [labelled("taxonomy-1", "en", "sport", (15,))])
    monkeypatch.setattr(topic_data, "split", lambda texts: (texts, []))
    recipe = UNRESTRICTED if unrestricted else Recipe()
    few = {name: 200 for name in (*sets, *others, "synthetic", "taxonomy") if getattr(recipe, name)}
    tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
    batches = make.build_batches(tmp_path, tmp_path, tokenizer, replace(recipe, **few))
    read = " ".join(tokenizer.decode(row.tolist()) for batch in batches for row in batch.ids)
    there = {name for name in (*sets.values(), *others) if name.lower() in read.lower()}
    left_out = {"Ida", "Zoe", "Ugo", "bbc"} if unrestricted else set()
    assert there == {*sets.values(), *others} - left_out
