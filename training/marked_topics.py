"""Every topic of some held-out texts, marked by reading them: their sources list one where two or three are true.

`marked_topics.json` holds the numbers of the topics (1 to 17) that are true of a text, by the beginning of the text's
SHA-256: of the outlets that are never trained on, 240 English texts and 184 of 200 German ones, drawn by the SHA-256 of
their ids and read without label or model's answer at hand; the other 16 do not tell what they are about.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from training.topic_data import TOPICS, TopicText

_FILE = Path(__file__).with_suffix(".json")
_DIGITS = 16


def read_marks(path: Path = _FILE) -> dict[str, frozenset[int]]:
    """Numbers of topics by the key of a text; raises ValueError for a number that is no topic's, and for none."""
    marks = {key: frozenset(numbers) for key, numbers in json.loads(path.read_text(encoding="utf-8")).items()}
    for key, numbers in marks.items():
        if not numbers or not numbers <= set(range(1, len(TOPICS) + 1)):
            raise ValueError(f"{path.name}: {key} has the topics {sorted(numbers)}, which are from 1 to {len(TOPICS)}")
    return marks


def key_of(text: str) -> str:
    """The beginning of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def marked(text: TopicText, marks: Mapping[str, frozenset[int]]) -> TopicText | None:
    """The text with all its topics, and with no other left unsure; None where it was not marked."""
    numbers = marks.get(key_of(text.text))
    if numbers is None:
        return None
    targets = tuple(float(number in numbers) for number in range(1, len(TOPICS) + 1))
    return replace(text, id=f"marked-{text.id}", targets=targets, weights=(1.0,) * len(TOPICS))
