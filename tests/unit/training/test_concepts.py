"""The taxonomy's second level, read from a file of IPTC's form."""

import json
from pathlib import Path

from training.concepts import concepts_of, read_entries


def concept(number: str, above: str | None = None, *, retired: bool = False) -> dict[str, object]:
    """A concept as IPTC writes it."""
    one: dict[str, object] = {
        "uri": f"http://cv.iptc.org/{number}",
        "qcode": f"medtop:{number}",
        "prefLabel": {"en-GB": f"name of {number}"},
        "definition": {"en-GB": f"what {number} is"},
    }
    if above:
        one["broader"] = [f"http://cv.iptc.org/{above}"]
    return one | ({"retired": "2020-01-01"} if retired else {})


def test_each_concept_of_the_second_level_has_its_own_and_all_rows_below(tmp_path: Path) -> None:
    source = tmp_path / "taxonomy.json"
    concepts = [
        concept("01000000"),
        concept("22", "20"),
        concept("21", "01000000"),
        concept("20", "01000000"),
        concept("24", "22"),
        concept("30", "01000000", retired=True),
        concept("31", "30"),
        concept("23", "20", retired=True),
    ]
    source.write_text(json.dumps({"conceptSet": concepts}), encoding="utf-8")
    entries = read_entries(source)
    assert [entry.path[-1] for entry in entries] == ["medtop:20", "medtop:22", "medtop:24", "medtop:21", "medtop:31"]
    assert (entries[0].name, entries[0].definition) == ("name of 20", "what 20 is")
    assert [(one.id, one.topic, one.start, one.end) for one in concepts_of(entries)] == [
        ("medtop:20", "medtop:01000000", 0, 3),
        ("medtop:21", "medtop:01000000", 3, 4),
    ]
