"""Models of Hugging Face in the encoder's place, on small ones that the tests make and train in a second.

What runs a network needs torch, which the service does without: `make test-torch` has it.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.encoder import Encoder
from newswire.pipeline.analysis.huggingface import HuggingFaceClassifier, HuggingFaceTagger, tag_of
from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.results import ModelError
from newswire.pipeline.analysis.topics import Taxonomy
from newswire.pipeline.settings import AnalyzeSettings
from tests.torch_installed import with_torch

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
SENTENCES = {
    "the mayor of Riga met Ann Lee in Oslo .": "O O O B-GPE O B-PERSON I-PERSON O B-GPE O",
    "on Monday Acme said that Ann met the mayor .": "O B-DATE B-ORG O O B-PERSON O O O O",
    "Lee said that Acme of Oslo met the mayor of Riga on Monday .": (
        "B-PERSON O O B-ORG O B-GPE O O O O B-GPE O B-DATE O"
    ),
}
TEXTS = ("rain storm in Riga .", "goal in the match .", "the mayor said that .")
LABELS = ("O", "B-GPE", "I-GPE", "B-PERSON", "I-PERSON", "B-ORG", "I-ORG", "B-DATE")


def make(folder: Path, head: str, labels: Sequence[str], inputs: Sequence[str], targets: Sequence[Any]) -> Path:
    """A one-layer BERT in `folder`, trained until it knows the inputs by heart."""
    torch, transformers = importlib.import_module("torch"), importlib.import_module("transformers")
    torch.manual_seed(7)
    words = sorted({word for text in (*SENTENCES, *TEXTS) for word in text.split()})
    pieces = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words]
    plain = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]"))
    plain.pre_tokenizer = BertPreTokenizer()
    plain.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    )
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    network = getattr(transformers, head)(config)
    # Without positions it learns words, and goes by what stands with them but not by where.
    places = network.bert.embeddings.position_embeddings.weight.requires_grad_(False)
    places.zero_()
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    for _ in range(60):
        for text, target in zip(inputs, targets, strict=True):
            ids = torch.tensor([tokenizer(text)["input_ids"]])
            loss = network(input_ids=ids, labels=torch.tensor([target])).loss
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    targets = [[-100, *(LABELS.index(tag) for tag in tags.split()), -100] for tags in SENTENCES.values()]
    folder = tmp_path_factory.mktemp("models") / "small-tagger"
    return make(folder, "BertForTokenClassification", LABELS, list(SENTENCES), targets)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small-classifier"
    labels = ("Weather", "medtop:15000000", "nothing of the kind")
    return make(folder, "BertForSequenceClassification", labels, TEXTS, [0, 1, 2])


@with_torch
def test_entities_of_another_model_take_the_place_of_the_encoders(tagger: Path) -> None:
    runner = open_analysis(AnalyzeSettings(entities=str(tagger)), on_hang=lambda: None)
    with runner:
        title, text = "Acme said that Ann Lee met the mayor of Riga .", "on Monday Ann met the mayor in Oslo ."
        analysis = runner._analyzer.analyze(title, text)
    assert [(one.text, one.type, one.field) for one in analysis.entities] == [
        ("Acme", "ORG", "title"),
        ("Ann Lee", "PER", "title"),
        ("Riga", "LOC", "title"),
        ("Ann", "PER", "text"),
        ("Oslo", "LOC", "text"),
    ]
    for one in analysis.entities:
        assert (title if one.field == "title" else text)[one.start : one.end] == one.text
    assert any(analysis.embedding)
    assert " entities small-tagger@" in runner.name


@with_torch
def test_all_of_a_long_text_is_read_and_gives_the_same_again(tagger: Path) -> None:
    model = HuggingFaceTagger(str(tagger), TAGS)
    text = "the mayor of Riga met Ann Lee in Oslo . " * 40
    tokens, rows = model.tag(text, most=160)
    assert rows.shape == (400, len(TAGS))
    chosen = [TAGS[number] for number in rows.argmax(1)]
    assert chosen.count("B-LOC") == 80
    assert chosen.count("B-PER") == chosen.count("I-PER") == 40
    assert text[tokens.starts[-2] : tokens.ends[-2]] == "Oslo"
    model.tag("on Monday Acme said that .", most=160)
    assert (model.tag(text, most=160)[1] == rows).all()
    assert len(model.tag(text, most=2)[1]) < 64
    assert model.tag("", most=160)[1].shape == (0, len(TAGS))


@with_torch
def test_topics_of_another_model_take_the_place_of_the_encoders(classifier: Path) -> None:
    taxonomy, encoder = Taxonomy.load(), Encoder.load()
    model = HuggingFaceClassifier(str(classifier), taxonomy.names)
    analyzer = Analyzer(encoder, taxonomy, classifier=model, topic_min=0.6)
    weather = analyzer.analyze("rain storm in Riga .", "")
    assert [(topic.id, topic.name) for topic in weather.topics] == [("medtop:17000000", "weather")]
    assert weather.topics[0].score >= 0.6
    assert [topic.id for topic in analyzer.analyze("", "goal in the match .").topics] == ["medtop:15000000"]
    assert analyzer.analyze("", "the mayor said that .").topics == ()
    assert " topics small-classifier@" in analyzer.name
    assert model.scores("", "") == {}
    assert model.scores("goal in the match .", "the mayor . " * 2000).keys() == {"medtop:15000000", "medtop:17000000"}


@with_torch
def test_a_model_of_several_topics_scores_each_for_itself(classifier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "several"
    folder.mkdir()
    for path in classifier.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = (folder / "config.json").read_text(encoding="utf-8").replace('"single_label_classification"', "null")
    config = config.replace('"problem_type": null', '"problem_type": "multi_label_classification"')
    if "multi_label" not in config:
        config = config.replace("{", '{"problem_type": "multi_label_classification",', 1)
    (folder / "config.json").write_text(config, encoding="utf-8")
    names = Taxonomy.load().names
    one, several = HuggingFaceClassifier(str(classifier), names), HuggingFaceClassifier(str(folder), names)
    text = "rain storm in Riga ."
    assert several.scores("", text)["medtop:17000000"] != one.scores("", text)["medtop:17000000"]
    assert several.scores("", text)["medtop:17000000"] > 0.5
    assert several.name != one.name


@with_torch
def test_labels_that_are_no_topics_or_types_are_refused(tagger: Path, classifier: Path) -> None:
    with pytest.raises(ModelError, match="is a topic's id or name"):
        HuggingFaceClassifier(str(classifier), {"medtop:1": "gardens"})
    with pytest.raises(ModelError, match="is a type of entity"):
        HuggingFaceTagger(str(classifier), TAGS)


@with_torch
def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        HuggingFaceTagger(str(tmp_path), TAGS)


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"torch is not installed: pip install 'newswire\[torch\]'"):
        open_analysis(AnalyzeSettings(topics=str(tmp_path)), on_hang=lambda: None)


@pytest.mark.parametrize(
    ("label", "tag"),
    [
        ("B-PER", "B-PER"),
        ("I-PER", "I-PER"),
        ("E-PERSON", "I-PER"),
        ("S-GPE", "B-LOC"),
        ("U-ORG", "B-ORG"),
        ("L-FAC", "I-LOC"),
        ("LOC", "I-LOC"),
        ("b-norp", "B-MISC"),
        ("creative-work", "I-MISC"),
        ("B-creative-work", "B-MISC"),
    ],
)
def test_labels_of_many_schemes_are_understood(label: str, tag: str) -> None:
    assert tag_of(label, TAGS) == TAGS.index(tag)


@pytest.mark.parametrize("label", ["O", "B-DATE", "CARDINAL", "LABEL_0", ""])
def test_other_labels_are_outside_of_entities(label: str) -> None:
    assert tag_of(label, TAGS) is None
