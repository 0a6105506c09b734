"""The files of a model folder that are written without the model: parts of the taxonomy, checksums."""

import hashlib
import json
from pathlib import Path

from newswire.pipeline.analysis.concepts import NAMES_FILE, VECTORS_FILE
from newswire.pipeline.analysis.encoder import FILES
from training.topic_data import TOPICS

RELEASE = "2025-10-09"


def write_checksums(folder: Path) -> None:
    """Write checksums.json: the SHA-256 of each file that is loaded."""
    names = (*FILES, VECTORS_FILE, NAMES_FILE)
    there = [folder / name for name in names if (folder / name).is_file()]
    write_json(folder / "checksums.json", {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there})


def attribution(source: Path) -> dict[str, str]:
    """What must stand beside parts of the taxonomy. Raises ValueError when IPTC's file is of another release."""
    document = json.loads(source.read_text(encoding="utf-8"))
    if not document["dateReleased"].startswith(RELEASE):
        raise ValueError(f"{source} is release {document['dateReleased']}, not {RELEASE}")
    return {
        "release": RELEASE,
        "source": "IPTC Media Topic NewsCodes, http://cv.iptc.org/newscodes/mediatopic/",
        "licence": "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
        "attribution": document["copyrightHolder"],
    }


def write_taxonomy(source: Path, path: Path) -> None:
    """Write the 17 top topics (ids, English names) from IPTC's own JSON file. Raises ValueError for another release."""
    rights = attribution(source)
    document = json.loads(source.read_text(encoding="utf-8"))
    names = {one["qcode"]: one["prefLabel"]["en-GB"] for one in document["conceptSet"] if one["qcode"] in TOPICS}
    compact = {
        **rights,
        "source": f"{rights['source']} (top topics only)",
        "topics": [{"id": topic, "name": names[topic]} for topic in sorted(names)],
    }
    write_json(path, compact)


def write_json(path: Path, document: object) -> None:
    """Write a document as JSON that reads well in a diff."""
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
