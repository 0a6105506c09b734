"""Numbers and ids of outcomes and enriched records, without what stood before."""

from datetime import UTC, datetime
from typing import Literal

from newswire.pipeline.verify.structure import Structure
from newswire.schemas import EnrichedArticle, Outcome, Provenance, StoryRef
from newswire.schemas.common import Duplicate, Feed, Language

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)


def outcome(position: int, kind: Literal["emitted", "seen"] = "emitted") -> Outcome:
    """The outcome of a raw record."""
    return Outcome(id=f"a{position}", revision=1, outcome=kind, stage="cluster", position=position)


def enriched(sequence: int, id: str) -> EnrichedArticle:
    """An enriched record."""
    return EnrichedArticle(
        id=id,
        revision=1,
        sequence=sequence,
        feed=Feed(url="https://a.example/"),
        url=None,
        title="t",
        text="",
        summary=None,
        authors=(),
        images=(),
        language=Language(code="en", confidence=1.0),
        published_at=None,
        observed_at=NOON,
        topics=(),
        entities=(),
        duplicate=Duplicate(),
        story=StoryRef(id="s", new=True),
        degraded=None,
        provenance=Provenance(software="n", model="m", taxonomy="t"),
    )


def whole() -> Structure:
    """Raw records 4 to 7, of which 5 was seen before; the others are the numbers 3 to 5 of the sequence."""
    structure = Structure()
    for position in (7, 4, 6):
        structure.take_outcome(outcome(position))
    structure.take_outcome(outcome(5, "seen"))
    for sequence, position in ((3, 4), (4, 6), (5, 7)):
        structure.take_enriched(enriched(sequence, f"a{position}"))
    return structure


def kinds(structure: Structure, released: int = 5, under_way: int = 0) -> list[tuple[str, str, str]]:
    """The faults, told shortly."""
    return [(fault.kind, fault.topic, fault.id or fault.place) for fault in structure.faults(released, under_way)]


def test_what_belongs_together_holds() -> None:
    assert kinds(whole()) == []


def test_a_missing_outcome_is_excused_only_by_what_is_under_way() -> None:
    structure = whole()
    structure.take_outcome(outcome(9, "seen"))
    assert kinds(structure, under_way=1) == []
    assert kinds(structure) == [("missing", "outcomes", "8")]


def test_repeated_and_missing_records_are_named() -> None:
    structure = whole()
    structure.take_enriched(enriched(5, "a7"))
    structure.take_enriched(enriched(7, "a9"))
    assert kinds(structure, released=7) == [
        ("missing", "enriched", "6"),
        ("repeated", "enriched", "5"),
        ("missing", "outcomes", "a7"),
        ("missing", "outcomes", "a9"),
    ]


def test_the_newest_number_is_the_one_that_cluster_let_go() -> None:
    assert kinds(whole(), released=6) == [("missing", "enriched", "6")]
    assert kinds(whole(), released=4) == [("foreign", "enriched", "5")]
