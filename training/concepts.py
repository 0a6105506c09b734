"""The taxonomy's second level as vectors: `python -m training.concepts --data FOLDER [--model FOLDER]`.

Every concept below the 17 top topics is read by the model, its name and its definition; what is written into the model
folder is the unit vector of both together, less the mean of all, as signed bytes.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.concepts import NAMES_FILE, VECTORS_FILE, Concept, Doubles
from training.arguments import of_model
from training.model_files import attribution, write_checksums, write_json

TAXONOMY = Path("iptc") / "cptall-en-GB.json"


@dataclass(frozen=True)
class Entry:
    """A concept of the taxonomy below a top topic: `path` is its ids from the top one down to its own."""

    path: tuple[str, ...]
    name: str
    definition: str


def read_entries(source: Path) -> list[Entry]:
    """All concepts below the top ones that are not retired, from IPTC's own JSON file, by their paths."""
    concepts = {one["uri"]: one for one in json.loads(source.read_text(encoding="utf-8"))["conceptSet"]}
    entries = []
    for uri, one in concepts.items():
        path = [uri]
        while broader := concepts[path[-1]].get("broader"):
            path.append(broader[0])
        if len(path) > 1 and not one.get("retired"):
            ids = tuple(concepts[step]["qcode"] for step in reversed(path))
            entries.append(Entry(ids, one["prefLabel"]["en-GB"], one["definition"]["en-GB"]))
    return sorted(entries, key=lambda entry: entry.path)


def concepts_of(entries: list[Entry]) -> list[Concept]:
    """The concepts of the second level with their rows in `entries`, which are sorted by their paths.

    What stands below a retired concept of that level is left out.
    """
    found: list[Concept] = []
    for row, entry in enumerate(entries):
        if len(entry.path) == 2:
            found.append(Concept(entry.path[1], entry.name, entry.path[0], row, row + 1))
        elif found and found[-1].id == entry.path[1]:
            found[-1] = Concept(found[-1].id, found[-1].name, found[-1].topic, found[-1].start, row + 1)
    return found


def _unit(vectors: Doubles) -> Doubles:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def vectors_of(analyzer: Analyzer, entries: list[Entry]) -> Doubles:
    """A unit vector (entries, 384) of each concept, less what all concepts share."""

    def read(texts: list[str]) -> Doubles:
        each = [np.frombuffer(analyzer.analyze("", text).embedding, dtype=np.int8) for text in texts]
        return _unit(np.array(each, dtype=np.float64))

    both = read([entry.name for entry in entries]) + read([f"{entry.name}. {entry.definition}" for entry in entries])
    both = _unit(both)
    return _unit(both - both.mean(0))


def write_concepts(folder: Path, source: Path) -> None:
    """Write the second level into a model folder that is otherwise complete, and its checksums anew."""
    entries = read_entries(source)
    document = {**attribution(source), "concepts": [asdict(concept) for concept in concepts_of(entries)]}
    write_json(folder / NAMES_FILE, document)
    vectors = np.rint(vectors_of(Analyzer.load(folder), entries) * 127.0).astype(np.int8)
    np.save(folder / VECTORS_FILE, vectors, allow_pickle=False)
    write_checksums(folder)


def main() -> None:
    arguments = of_model(__doc__).parse_args()
    write_concepts(arguments.model, arguments.data / TAXONOMY)


if __name__ == "__main__":
    main()
