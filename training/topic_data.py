"""Readers of the topic sets: each gives `TopicText`s, a text with a target and a weight for each of 17 topics.

The sources list a topic or two where more may be true, so what is not listed is no certain "no": topics that often
go with a listed one count little (`RELATED`), the others half. Texts without labels serve the embedding only.
"""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.tagging_data import held_out

TOPICS = tuple(f"medtop:{number:02d}000000" for number in range(1, 18))

# Number of the primary topic -> numbers of topics that are often true of the same article without being listed.
RELATED = {
    1: (8, 10, 13, 14),
    2: (3, 11, 14, 16),
    3: (2, 6, 8, 16, 17),
    4: (9, 11, 13),
    5: (9, 11, 13, 14),
    6: (3, 4, 11, 13, 17),
    7: (11, 13, 14),
    8: (1, 3, 10, 13, 14),
    9: (4, 5, 7, 11, 14),
    10: (1, 7, 8, 14),
    11: (2, 4, 9, 12, 14, 16),
    12: (2, 11, 14, 16),
    13: (4, 6, 7),
    14: (1, 2, 7, 8, 10, 11, 12),
    15: (1, 8),
    16: (2, 3, 11, 14),
    17: (3, 6),
}
_RELATED_WEIGHT = 0.08
_OTHER_WEIGHT = 0.6
_WEAK_WEIGHT = 0.5

_BBC = {"business": 4, "entertainment": 1, "politics": 11, "sport": 15, "tech": 13}
_MASAKHA = {
    "business": 4,
    "entertainment": 1,
    "health": 7,
    "politics": 11,
    "religion": 12,
    "sports": 15,
    "technology": 13,
}
_SIB = {"entertainment": 1, "health": 7, "politics": 11, "science/technology": 13, "sports": 15, "travel": 10}
_SLAVIC = {"brexit": (11,), "asia_bibi": (12, 2)}

_FORCE = re.compile(
    r"\b(?:war|invasion|invad\w+|troops?|soldiers?|army|military|missiles?|drones?|airstrikes?|ceasefire|truce|"
    r"shelling|battlefield|front line|conscript\w*|mobili[sz]ation|militants?|hostages?|peace (?:deal|talks|plan))\b",
    re.IGNORECASE,
)
_STATE = re.compile(
    r"\b(?:presidents?|presidential|prime minister|ministers?|ministry|parliament|congress|senate|senators?|lawmakers?|"
    r"laws?|bill|legislation|governments?|Kremlin|White House|Pentagon|election|diplomats?|diplomatic|sanctions|"
    r"summit|treaty|Trump|Putin|Zelensky|Netanyahu|E\.?U\.?|NATO)\b"
)
_TAGS = re.compile(r"<[^>]+>")

# Outlets that are never trained on: a hand-coded one in English, one and a weakly labelled one in German.
_OUTLETS = (
    "cran/RTextTools NYTimes",
    "tblock/10kGNAD",
    "NadineNicoleSchmitt/Analyzing-German-News-Headlines:SZ",
)
_TENTH = 10


@dataclass(frozen=True)
class TopicText:
    """A text; `targets` and `weights` hold a value for each of `TOPICS` (both all zero: no label)."""

    id: str
    language: str
    text: str
    targets: tuple[float, ...]
    weights: tuple[float, ...]


def labelled(name: str, language: str, text: str, numbers: tuple[int, ...], weak: bool = False) -> TopicText:
    """A text whose true topics include `numbers` (1 to 17); `weak` halves what its label counts."""
    related = {other for number in numbers for other in RELATED[number]}
    scale = _WEAK_WEIGHT if weak else 1.0
    targets, weights = [], []
    for number in range(1, len(TOPICS) + 1):
        hit = number in numbers
        targets.append(1.0 if hit else 0.0)
        weights.append(scale * (1.0 if hit else _RELATED_WEIGHT if number in related else _OTHER_WEIGHT))
    return TopicText(name, language, text, tuple(targets), tuple(weights))


def unlabelled(name: str, language: str, text: str) -> TopicText:
    """A text that only serves the embedding."""
    none = (0.0,) * len(TOPICS)
    return TopicText(name, language, text, none, none)


def read_iptc(path: Path) -> list[TopicText]:
    """The texts with mapped IPTC top topics; labels from keywords or search terms count half."""
    texts = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            numbers = tuple(int(topic[7:9]) for topic in row["iptc"])
            weak = "+kw" in row["label"] or "(search term)" in row["label"]
            kind = "outlet" if row["source"].startswith(_OUTLETS) else "iptc"
            texts.append(labelled(f"{kind}-{number}", row["language"], row["text"], numbers, weak))
    return texts


def read_taxonomy(path: Path) -> list[TopicText]:
    """Each concept of the taxonomy, from IPTC's own JSON file: its name and definition, of its top topic."""
    concepts = {one["uri"]: one for one in json.loads(path.read_text(encoding="utf-8"))["conceptSet"]}
    texts = []
    for uri, one in concepts.items():
        top = uri
        while broader := concepts[top].get("broader"):
            top = broader[0]
        number = TOPICS.index(concepts[top]["qcode"]) + 1
        text = f"{one['prefLabel']['en-GB']}. {one['definition']['en-GB']}"
        texts.append(labelled(f"taxonomy-{one['qcode']}", "en", text, (number,)))
    return texts


def read_bbc(folder: Path) -> list[TopicText]:
    """BBC articles, five classes; exact repeats removed."""
    texts, seen = [], set()
    for path in sorted(folder.glob("*/*.txt")):
        text = path.read_bytes().decode("utf-8", errors="replace").strip()
        folded = " ".join(text.split())
        if folded not in seen:
            seen.add(folded)
            texts.append(labelled(f"bbc-{path.parent.name}-{path.stem}", "en", text, (_BBC[path.parent.name],)))
    return texts


def read_masakha(folder: Path) -> list[TopicText]:
    """MasakhaNEWS dev, four languages: headline and text."""
    texts = []
    for path in sorted(folder.glob("*-dev.tsv")):
        with path.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines, delimiter="\t")):
                text = f"{row['headline']}\n{row['text']}"[:6000]
                name = f"masakha-{path.name[:3]}-{number}"
                texts.append(labelled(name, path.name[:3], text, (_MASAKHA[row["category"]],)))
    return texts


def read_sib(folder: Path) -> list[TopicText]:
    """SIB-200, single sentences in 18 languages; its geography class has no IPTC topic and serves the embedding."""
    texts = []
    for path in sorted(folder.glob("*/*.tsv")):
        language = path.parent.name
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                # Named by the sentence, not the language: a held-out sentence is held out in all its translations.
                name = f"sib-{row['index_id']}"
                number = _SIB.get(row["category"])
                if number is None:
                    texts.append(unlabelled(name, language, row["text"]))
                else:
                    texts.append(labelled(name, language, row["text"], (number,)))
    return texts


def read_replay(path: Path) -> list[TopicText]:
    """Titles and summaries of the replay feeds; those that speak of force and of the state get both topics, weakly."""
    texts, seen = [], set()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            summary = _TAGS.sub(" ", item.get("summary") or "")
            text = f"{item.get('title') or ''}\n{summary}".strip()
            if len(text) < 20 or text in seen:
                continue
            seen.add(text)
            name = f"replay-{item['id']}"
            force, state = bool(_FORCE.search(text)), bool(_STATE.search(text))
            if force and state:
                texts.append(labelled(name, "en", text, (16, 11), weak=True))
            else:
                texts.append(unlabelled(name, "en", text))
    return texts


def read_slavic(folder: Path, most: int) -> list[TopicText]:
    """SlavNER's raw texts: Brexit is politics, the Asia Bibi case religion and law; other topics have no label."""
    texts = []
    for raw_folder in sorted(folder.glob("*/raw/*")):
        topic, language = raw_folder.parent.parent.name, raw_folder.name
        for path in sorted(raw_folder.glob("*.txt"))[:most]:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            text = "\n".join(line for line in lines[4:] if line.strip())[:1500]
            name = f"slavic-{topic}-{language}-{path.stem}"
            numbers = _SLAVIC.get(topic)
            texts.append(labelled(name, language, text, numbers) if numbers else unlabelled(name, language, text))
    return [text for text in texts if len(text.text) > 40]


def read_all(folder: Path) -> list[TopicText]:
    """Every topic set under the unpacked data folder."""
    return [
        *read_iptc(folder / "topics_train" / "topics_train.jsonl"),
        *read_bbc(folder / "topics" / "bbc" / "bbc"),
        *read_masakha(folder / "topics" / "masakhanews"),
        *read_sib(folder / "topics" / "sib200"),
        *read_replay(folder / "rssarch" / "items.jsonl.gz"),
        *read_slavic(folder / "ner" / "slavner", 60),
    ]


def split(texts: list[TopicText]) -> tuple[list[TopicText], list[TopicText]]:
    """(for training, held out): some outlets and a tenth of the other labelled texts are held out, by the id."""

    def kept_back(text: TopicText) -> bool:
        return text.id.startswith("outlet-") or held_out(text.id, _TENTH)

    return [t for t in texts if not kept_back(t)], [t for t in texts if kept_back(t) and any(t.targets)]


def texts_of(items: list[TopicText]) -> Iterator[str]:
    """The plain texts."""
    return (item.text for item in items)
