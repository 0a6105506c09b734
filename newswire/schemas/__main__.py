"""Write the JSON Schema files: `python -m newswire.schemas [--check] FOLDER`."""

import json
import sys
from pathlib import Path

from newswire.schemas.analyzed import AnalyzedArticle
from newswire.schemas.common import Record
from newswire.schemas.dead import DeadLetter
from newswire.schemas.enriched import EnrichedArticle
from newswire.schemas.feeds import FeedSettings
from newswire.schemas.outcomes import Outcome
from newswire.schemas.prepared import PreparedArticle
from newswire.schemas.raw import RawArticle, RawDiscard, RawOversize, RawRetry
from newswire.schemas.stories import Story
from newswire.schemas.unique import UniqueArticle

RECORDS: tuple[type[Record], ...] = (
    FeedSettings,
    RawArticle,
    RawRetry,
    RawDiscard,
    RawOversize,
    PreparedArticle,
    UniqueArticle,
    AnalyzedArticle,
    EnrichedArticle,
    Story,
    Outcome,
    DeadLetter,
)


def render(record: type[Record]) -> str:
    """The JSON Schema (draft 2020-12) of one record, as the text of its file."""
    schema = record.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{record.NAME}"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which are stale (exit code 1)."""
    check = "--check" in arguments
    folder = Path(next((a for a in arguments if not a.startswith("-")), "newswire/schemas/json"))
    stale = []
    for record in RECORDS:
        file, text = folder / f"{record.NAME}.json", render(record)
        if not file.exists() or file.read_text() != text:
            stale.append(file)
            if not check:
                folder.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    for file in stale:
        print(f"{'stale' if check else 'written'}: {file}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
