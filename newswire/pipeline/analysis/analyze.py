"""One article through the encoder: topics, entities and embedding in one pass over its windows."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.casing import readings_of
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder, Floats, Reading, Tokens
from newswire.pipeline.analysis.results import (
    EMPTY_EMBEDDING,
    Analysis,
    Entity,
    EntityType,
    Field,
    ModelError,
)
from newswire.pipeline.analysis.second_level import VERSION, SecondLevel
from newswire.pipeline.analysis.spans import DECODER, Words, agree, decode, mean_of, words_of
from newswire.pipeline.analysis.topics import TAXONOMY_FILE, Taxonomy, TopicScorer
from newswire.pipeline.analysis.windows import Window, plan, sentence_starts

# What is read of one article; what lies beyond has no entities. A long article is some 20,000 characters.
MAX_TITLE_CHARACTERS = 2_000
MAX_TEXT_CHARACTERS = 100_000
MAX_WINDOWS = 160
SHORT_CHARACTERS = 600
"""Up to which a title is read without its capitals as well, title and text together: a longer text tells of its names
itself."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

Doubles = npt.NDArray[np.float64]


def as_bytes(embedding: Floats) -> bytes:
    """A unit vector times 127, rounded, as signed bytes."""
    quantised: bytes = np.rint(embedding.astype(np.float64) * 127.0).astype(np.int8).tobytes()
    return quantised


class Tagger(Protocol):
    """What tags sub-tokens in the encoder's place: `name` says which model."""

    name: str

    def tag(self, text: str, most: int) -> tuple[Tokens, Floats]: ...


class Classifier(Protocol):
    """What gives topics their scores in the encoder's place: `name` says which model."""

    name: str

    def scores(self, title: str, text: str) -> dict[str, float]: ...


class Analyzer:
    """Finds topics, entities and the embedding of articles. For one thread at a time.

    All three come from one encoder, but for entities that a `tagger` and topics that a `classifier` finds in its place.
    With a `second_level` an article has topics of the taxonomy's second level as well, after the others.
    """

    def __init__(
        self,
        encoder: Encoder,
        taxonomy: Taxonomy,
        concepts: Concepts | None = None,
        tagger: Tagger | None = None,
        classifier: Classifier | None = None,
        topic_min: float = 0.5,
        second_level: SecondLevel | None = None,
    ) -> None:
        """`concepts` are the model's own, which its topics may need; `topic_min` is the classifier's threshold.

        Raises ModelError when the taxonomy lacks a topic of the model, or the model its concepts.
        """
        self._encoder, self._taxonomy = encoder, taxonomy
        self._tagger, self._classifier, self._topic_min = tagger, classifier, topic_min
        self._second_level = second_level
        missing = set(encoder.settings.topics) - set(taxonomy.names)
        if missing:
            raise ModelError(f"taxonomy {taxonomy.release} lacks the model's topics {sorted(missing)}")
        self._scorer = TopicScorer(encoder.settings, concepts) if classifier is None else None
        self._types = [label[2:] for label in encoder.settings.labels[1::2]]

    @classmethod
    def load(cls, folder: Path = MODEL_FOLDER, taxonomy: Path = TAXONOMY_FILE, threads: int = 1) -> "Analyzer":
        """Load the model and the taxonomy. Raises ModelError (see `Encoder.load`)."""
        encoder = Encoder.load(folder, threads)
        concepts = Concepts.load(folder) if encoder.settings.blend is not None else None
        return cls(encoder, Taxonomy.load(taxonomy), concepts)

    @property
    def name(self) -> str:
        """Model, instruction set, decoder, and what finds entities or topics in its place.

        Such as "news-encoder-6 int8 avx512_vnni decoder-5".
        """
        others = [
            f" {what} {model.name}"
            for what, model in (("entities", self._tagger), ("topics", self._classifier))
            if model is not None
        ]
        level = f" {VERSION}" if self._second_level is not None else ""
        return f"{self._encoder.name} {DECODER}{''.join(others)}{level}"

    @property
    def taxonomy(self) -> str:
        """Release of the topic taxonomy, such as "2025-10-09"."""
        return self._taxonomy.release

    def analyze(self, title: str, text: str) -> Analysis:
        """Analyse an article. Any string is accepted; offsets are code points of the strings as they were given.

        The same strings give the same result, whatever was analysed before. Read are the first `MAX_TITLE_CHARACTERS`
        of the title, `MAX_TEXT_CHARACTERS` of the text and `MAX_WINDOWS` windows of both together.
        """
        # Replaced one by one, so that offsets stay: the tokenizer takes no lone surrogates.
        title = _SURROGATE.sub(_REPLACEMENT, title[:MAX_TITLE_CHARACTERS])
        text = _SURROGATE.sub(_REPLACEMENT, text[:MAX_TEXT_CHARACTERS])
        short = len(title) + len(text) <= SHORT_CHARACTERS
        ways = readings_of(title, titles=short), readings_of(text, titles=True)
        first = self._read(ways[0][0], ways[1][0])
        if first is None:
            return Analysis((), (), EMPTY_EMBEDDING)
        if self._tagger is not None:
            words = [_words(field, *self._tagger.tag(field, MAX_WINDOWS)) for field in (title, text)]
        elif max(map(len, ways)) == 1:
            words = first.words
        else:
            # Of an article whose headline alone has no case, the text is not read again.
            second = self._read(*(field[1] if len(field) > 1 else "" for field in ways))
            assert second is not None  # the same characters in another case
            words = [
                mean_of(one, other) if len(field) > 1 else one
                for field, one, other in zip(ways, first.words, second.words, strict=True)
            ]
        fields = agree(words)
        entities = self._entities("title", title, fields[0]) + self._entities("text", text, fields[1])
        settings, embedding = self._encoder.settings, as_bytes(self._encoder.embed(first.opening))
        if self._classifier is not None:
            scores = self._classifier.scores(title, text)
            limits = dict.fromkeys(scores, self._topic_min)
        else:
            assert self._scorer is not None  # what one of them lacks, the other has
            scores = self._scorer.scores(first.readings, first.weights, embedding)
            limits = dict(zip(settings.topics, settings.thresholds, strict=True))
        found = self._taxonomy.given(scores, limits)
        if self._second_level is not None:
            found += self._second_level.below(found, embedding)
        return Analysis(found, entities, embedding)

    def _read(self, title: str, text: str) -> "_Pass | None":
        """Both fields through the encoder, None when there is nothing to read."""
        heading, body = self._encoder.tokenize(title), self._encoder.tokenize(text)
        ids = np.concatenate((heading.ids, body.ids))
        settings = self._encoder.settings
        starts = [*_first_tokens(heading, sentence_starts(title)), len(heading.ids)]
        starts += [len(heading.ids) + token for token in _first_tokens(body, sentence_starts(text))]
        windows = plan(len(ids), settings.window - 2, settings.stride, MAX_WINDOWS, starts)
        if not windows:
            return None
        early = sum(window.first < settings.opening for window in windows)
        readings = self._encoder.read_all([ids[window.start : window.end] for window in windows], early)
        parts = list(zip(readings, windows, strict=True))
        tags = np.concatenate([_kept(reading.tags, window) for reading, window in parts])
        opening = [_kept(reading.states, window) for reading, window in parts if reading.states is not None]
        split = len(heading.ids)
        words = [_words(title, heading, tags[:split]), _words(text, body, tags[split:])]
        weights = np.array([float(window.last - window.first) for window in windows])
        return _Pass(words, readings, weights, np.concatenate(opening)[: settings.opening])

    def _entities(self, field: Field, text: str, words: Words) -> tuple[Entity, ...]:
        return tuple(
            Entity(
                text[span.start : span.end],
                cast("EntityType", self._types[span.kind - 1]),
                field,
                span.start,
                span.end,
                round(span.score, 4),
            )
            for span in decode(words)
            if _REPLACEMENT not in text[span.start : span.end]
        )


@dataclass(frozen=True)
class _Pass:
    """One pass of the encoder over an article: the words of its two fields, its windows with their weights, and the
    states of its `opening` (tokens, 384).
    """

    words: list[Words]
    readings: list[Reading]
    weights: Doubles
    opening: Floats


def _first_tokens(tokens: Tokens, places: list[int]) -> list[int]:
    """The first sub-token of each of `places`, code points in rising order."""
    found: list[int] = np.searchsorted(tokens.ends, places, side="right").tolist()
    return found


def _words(field: str, tokens: Tokens, tags: Floats) -> Words:
    """A field's words, but those beyond the windows, which were not read."""
    return words_of(field, tokens.starts[: len(tags)], tokens.ends[: len(tags)], tags)


def _kept(values: Floats, window: Window) -> Floats:
    """The part of a window's values, one for each token, that this window answers for."""
    return values[window.first - window.start : window.last - window.start]
