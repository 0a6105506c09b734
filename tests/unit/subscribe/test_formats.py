"""How articles are printed."""

import json
from typing import Any

from newswire.pipeline.subscribe import Delivered
from newswire.pipeline.subscribe.formats import FORMATS, as_ninjs, as_text
from newswire.schemas import Feed
from tests.unit.subscribe.articles import article


def test_ndjson_is_the_record_itself() -> None:
    assert FORMATS["ndjson"](Delivered(article(), b'{"any": "bytes"}')) == b'{"any": "bytes"}'


def test_ninjs_carries_the_article() -> None:
    item: dict[str, Any] = json.loads(FORMATS["ninjs"](Delivered(article(), b"")))
    assert item["uri"] == "urn:newswire:article:" + "0" * 31 + "1"
    assert item["type"] == "text"
    assert item["standard"]["version"] == "2.1"
    assert item["versioncreated"] == "2026-01-31T12:00:00Z"
    assert item["language"] == "en"
    assert [headline["value"] for headline in item["headlines"]] == [article().title]
    assert item["bodies"][0]["charcount"] == len(article().text)
    assert item["people"] == [{"name": "Ada Lovelace", "rel": "mentions"}]
    assert item["places"] == [{"name": "Straße", "rel": "mentions"}]
    assert item["subjects"][0]["uri"] == "http://cv.iptc.org/newscodes/mediatopic/11000000"
    assert item["subjects"][0]["confidence"] == 88
    assert item["subjects"][1] == {"name": "Analytical Engine", "rel": "mentions"}
    assert item["by"] == "A. Writer, B. Writer"
    assert "organisations" not in item


def test_ninjs_of_a_bare_article_has_no_empty_properties() -> None:
    bare = article(title="", summary=None, authors=(), images=(), topics=(), entities=(), published_at=None, url=None)
    item = as_ninjs(bare.model_copy(update={"revision": 2, "cut": ("text",), "feed": Feed(url="output_name")}))
    assert all(value not in (None, "", []) for value in item.values())
    assert "firstcreated" not in item
    assert item["representationtype"] == "partial"
    assert item["infosources"] == [{"literal": "output_name"}]


def test_text_is_for_a_person() -> None:
    shown = as_text(article(text="word " * 500))
    assert "Example" in shown
    assert shown.count("Ada Lovelace") == 2  # the title and, once, the names
    assert "politics and government" in shown
    assert "https://example.org/1" in shown
    assert max(len(line) for line in shown.splitlines()) <= 110
    assert len(shown.splitlines()) < 12
