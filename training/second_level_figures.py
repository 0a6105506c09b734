"""How right the second level of topics is: `python -m training.second_level_figures --data FOLDER [--model FOLDER]`.

Some labels that the sources of the topic texts gave themselves name a concept of the second level, or leave few of
those below their topic ("CRIME", "Arbeitsmarkt"). Of each such label a hundred texts are read, drawn by the SHA-1 of a
text, and what is found below their true top topic is compared with it. The constants of the method were chosen on the
first group of labels only.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.results import Topic
from newswire.pipeline.analysis.second_level import THRESHOLD, SecondLevel
from training.archives import unpack
from training.arguments import of_model

_MOST = 100
# Label: number of its top topic, and the concepts below it that are right.
CHOSEN_ON: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "CRIME": (2, ("20000082",)),
    "CAP 12": (2, ("20000082",)),
    "armed conflicts and attacks": (16, ("20000056", "20000053")),
    "Macroeconomia": (4, ("20000344",)),
    "COLLEGE": (5, ("20000400", "20000415")),
    "TRAVEL": (10, ("20000538",)),
    "STYLE & BEAUTY": (10, ("20000565",)),
    "MEDIA": (1, ("20000045",)),
    "ENTERTAINMENT": (1, ("20000002",)),
    "ARTS": (1, ("20000002",)),
    "DIVORCE": (14, ("20000780",)),
    "WEDDINGS": (14, ("20000780",)),
    "PARENTING": (14, ("20000780",)),
    "PARENTS": (14, ("20000780",)),
    "QUEER VOICES": (14, ("20000788", "20000768", "20000775", "20000587")),
    "BLACK VOICES": (14, ("20000788", "20000768", "20000775", "20000587")),
    "international relations": (11, ("20000638",)),
    "Arbeitsmarkt": (9, ("20000523", "20000509", "20000533")),
    "Klimawandel": (6, ("20000418",)),
    "Coronavirus": (7, ("20000446", "20001358", "20000464")),
}
NEVER_LOOKED_AT: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "Alianzas": (4, ("20000349",)),
    "CAP 1": (4, ("20000344",)),
    "CAP 13": (14, ("20000817", "20000799")),
    "CAP 20": (11, ("20000593",)),
    "CAP 26": (17, ("20001129",)),
    "CAP 4": (4, ("20000209",)),
    "CAP 5": (14, ("20000771",)),
    "COMEDY": (1, ("20000002",)),
    "LATINO VOICES": (14, ("20000788", "20000768", "20000775", "20000587", "20000771")),
    "Migration": (14, ("20000771", "20000772")),
    "Rassismus": (14, ("20000775",)),
    "TECH": (13, ("20000756",)),
    "Ukraine": (16, ("20000056",)),
    "technology": (13, ("20000756",)),
}


@dataclass(frozen=True)
class Checked:
    """A text of a label: whether the likeliest concept is right, and whether it is likely enough to be given."""

    right: bool
    given: bool


def read_texts(path: Path, labels: Mapping[str, tuple[int, tuple[str, ...]]]) -> dict[str, list[str]]:
    """The texts of each label whose only topic is the label's; those chosen by keywords are left out."""
    found: dict[str, list[str]] = {label: [] for label in labels}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            label = row["label"].split(" (search term)")[0]
            if label in labels and row["iptc"] == [_top(labels[label][0])]:
                found[label].append(row["text"])
    return {label: sorted(texts, key=_drawn)[:_MOST] for label, texts in found.items()}


def _top(number: int) -> str:
    return f"medtop:{number:02d}000000"


def _drawn(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - a draw, not a secret


def check(analyzer: Analyzer, level: SecondLevel, text: str, number: int, wanted: tuple[str, ...]) -> Checked:
    """What is found below a text's true top topic."""
    title, _, body = text.partition("\n")
    embedding = analyzer.analyze(title, body).embedding
    concept, _ = max(level.probabilities(_top(number), embedding), key=lambda one: one[1])
    given = level.below([Topic(_top(number), "", 1.0, 0.0)], embedding)
    return Checked(concept.id.removeprefix("medtop:") in wanted, bool(given))


def print_second_level(model: Path, folder: Path) -> None:
    """Figures of both groups of labels, labels alike; `folder` is the unpacked data."""
    analyzer, level = Analyzer.load(model), SecondLevel(Concepts.load(model))
    print(f"second level, below the true top topic: likeliest concept right; given (from {THRESHOLD}), of these right")
    for name, labels in (("labels that it was chosen on", CHOSEN_ON), ("labels never looked at", NEVER_LOOKED_AT)):
        rows = []
        for label, texts in read_texts(folder / "topics_train" / "topics_train.jsonl", labels).items():
            found = [check(analyzer, level, text, *labels[label]) for text in texts]
            given = [one.right for one in found if one.given]
            precise = sum(given) / len(given) if given else math.nan
            row = (sum(one.right for one in found) / len(found), len(given) / len(found), precise)
            rows.append(row)
            print(f"  {label}: {len(found)} texts, {_cents(row)}")
        print(f"  {name}, alike: {_cents(tuple(np.nanmean(np.array(rows), axis=0).tolist()))}")


def _cents(row: tuple[float, ...]) -> str:
    right, given, precise = (100 * value for value in row)
    return f"{right:.0f} % right; {given:.0f} % given, {precise:.0f} % of them right"


def main() -> None:
    arguments = of_model(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as work:
        print_second_level(arguments.model, unpack(arguments.data, Path(work)))


if __name__ == "__main__":
    main()
