"""What an analysis gives: plain frozen values, and the interface of whatever produces them."""

from dataclasses import dataclass
from typing import Literal, Protocol

EMBEDDING_SIZE = 384
EMPTY_EMBEDDING = bytes(EMBEDDING_SIZE)

EntityType = Literal["PER", "ORG", "LOC", "MISC"]
Field = Literal["title", "text"]


class ModelError(Exception):
    """The model's files are missing, damaged or of another kind; the message names the command that mends it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """An IPTC Media Topic found: `id` such as "medtop:16000000", English `name`, `score` 0 to 1 (four decimals).

    `threshold` is the score from which the model's makers let this topic be given. The score of a topic of the second
    level is its probability given the one above it.
    """

    id: str
    name: str
    score: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A named entity: `text` is exactly field[start:end], in code points of the field's string; `score` 0 to 1."""

    text: str
    type: EntityType
    field: Field
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found in one article.

    `topics` by falling score, top ones first, only those above their thresholds (there may be none); `entities` by
    place, the title's first; `embedding` 384 signed bytes, the article's unit vector times 127 (all zero for an article
    without words).
    """

    topics: tuple[Topic, ...]
    entities: tuple[Entity, ...]
    embedding: bytes


class ArticleAnalyzer(Protocol):
    """What analyses articles: `name` says which model on which instruction set, `taxonomy` which topic release."""

    @property
    def name(self) -> str: ...

    @property
    def taxonomy(self) -> str: ...

    def analyze(self, title: str, text: str) -> Analysis: ...
