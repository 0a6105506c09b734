"""Mistakes are told apart by what stands where the expected span is."""

import pytest

from newswire.pipeline.analysis.results import Entity
from training.errors import mistakes, print_topic_errors
from training.tagging_data import TaggedDocument
from training.topic_data import TOPICS, labelled
from training.topic_figures import Scored

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


def test_wrong_topics_of_untrained_outlets_are_drawn_by_chance_and_the_surest_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def scored(name: str, listed: int, score: float) -> Scored:
        return Scored(labelled(name, "en", f"text {name}", (listed,)), dict.fromkeys(TOPICS, 0.0) | {TOPICS[3]: score})

    print_topic_errors([scored("iptc-1", 5, 0.9), scored("outlet-2", 5, 0.7), scored("outlet-3", 4, 0.8)], 2)
    assert capsys.readouterr().out.splitlines() == [
        "topics: best one not listed for 2 of 3 texts (listed, best)",
        "  2 medtop:05000000 medtop:04000000",
        "  0.90 medtop:04000000 for medtop:05000000 (iptc): 'text iptc-1'",
        "  0.70 medtop:04000000 for medtop:05000000 (outlets never trained on, English): 'text outlet-2'",
        "  drawn by chance from the 1 of outlets never trained on, English",
        "    medtop:04000000 for medtop:05000000: 'text outlet-2'",
    ]
