"""Mistakes are told apart by what stands where the expected span is."""

from newswire.pipeline.analysis.results import Entity
from training.errors import mistakes
from training.tagging_data import TaggedDocument

TEXT = "Ann Lee of Acme met Bo in Riga and Oslo"


def entity(text: str, kind: str, score: float = 0.9) -> Entity:
    start = TEXT.index(text)
    return Entity(text, kind, "text", start, start + len(text), score)  # type: ignore[arg-type]


def span(text: str, kind: str) -> tuple[int, int, str]:
    start = TEXT.index(text)
    return start, start + len(text), kind


def test_each_kind_of_mistake_is_named_once() -> None:
    document = TaggedDocument(
        "d", "en", TEXT, (span("Ann Lee", "PER"), span("Acme", "ORG"), span("Bo", "PER"), span("Riga", "LOC"))
    )
    entities = [entity("Ann", "PER", 0.8), entity("Acme", "LOC"), entity("Riga", "LOC"), entity("Oslo", "LOC", 0.7)]
    found = [(one.kind, one.expected, one.found, one.text, one.score) for one in mistakes(document, entities)]
    assert found == [
        ("boundary", "PER", "PER", "Ann / Ann Lee", 0.8),
        ("type", "ORG", "LOC", "Acme / Acme", 0.9),
        ("missed", "PER", "O", "Bo", 0.0),
        ("spurious", "O", "LOC", "Oslo", 0.7),
    ]


def test_what_is_right_is_no_mistake() -> None:
    document = TaggedDocument("d", "en", TEXT, (span("Riga", "LOC"),))
    assert list(mistakes(document, [entity("Riga", "LOC")])) == []
