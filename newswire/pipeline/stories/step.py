"""The step of the stage `cluster`: one analyzed record in, every record that is then due out, in its story."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Literal, Self

import orjson

from newswire.pipeline.ledger.counters import hour_of
from newswire.pipeline.settings import Settings
from newswire.pipeline.state import PASSING, State, apply_rows
from newswire.pipeline.step import SOFTWARE, Emission, Result, Source, dead_letter, emission, outcome_emission, stray
from newswire.pipeline.stories.assign import fitting_stories, score
from newswire.pipeline.stories.background import news_background
from newswire.pipeline.stories.index import StoryIndex
from newswire.pipeline.stories.merge import features_of_story, merged
from newswire.pipeline.stories.resequence import release, resequence
from newswire.pipeline.stories.story import (
    NO_FEATURES,
    OpenStory,
    decode_indexed,
    decode_story,
    encode_story,
    features_of,
    join_story,
    observed_ms,
    open_story,
    revise_story,
    story_record,
)
from newswire.schemas import AnalyzedArticle, EnrichedArticle, Outcome, Provenance, Story, StoryRef
from newswire.schemas.common import ContractError

STAGE = "cluster"
ATTEMPTS_MAX = 3
REASON_MAX = 500

_MOMENT = Struct(">q")
WATERMARK = b"watermark"
STORY = b"story/"
ARTICLE = b"article/"
MERGED = b"merged/"
SWEEP_ROWS = 4
"""Rows looked at for each article: more than it adds, so that the sweep keeps up with any load."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An article's place: its story with the article in it, and whether the article opened it.

    `ended` are the stories that this one has taken up.
    """

    story: OpenStory
    new: bool
    ended: tuple[OpenStory, ...] = ()


class ClusterStep:
    """Puts records back in sequence and assigns stories; its index of open stories is a cache of the state's rows.

    State: `next`, `waiting` and `held/N` (the resequencer), `watermark` (the largest event time so far, Unix ms),
    `story/ID` a row a story, `article/ID` the event time and the story of an article. A story lives for a window after
    its last article, the article's row for a window after the article: a story that never ends keeps no more of them.
    `merged/ID` has, as long as a story's articles have rows, the event time of its last one and where the story went.
    """

    def __init__(self, settings: Settings, state: State) -> None:
        """Read the open stories from the state."""
        self._set_up(settings)
        for _ in self._load(state):
            pass

    @classmethod
    def opening(cls, settings: Settings, state: State) -> Generator[None, None, Self]:
        """The same in pieces of about a tenth of a second, so that others get their turn; returns the step."""
        step = cls.__new__(cls)
        step._set_up(settings)
        yield from step._load(state)
        return step

    def _set_up(self, settings: Settings) -> None:
        self._window = settings.cluster.window_seconds * 1000
        self._enough = settings.cluster.similarity_min
        self._one = settings.cluster.merge_min
        self._index = StoryIndex(news_background())

    def _load(self, state: State) -> Iterator[None]:
        return self._index.building(decode_indexed(row) for _, row in state.scan(STORY))

    @property
    def open_stories(self) -> int:
        """How many stories are open."""
        return len(self._index)

    def process(self, source: Source, state: State) -> tuple[Result, ...]:
        """Take one record; the results are of the records that became due, in sequence, and its own where it waits.

        A record that is not ours, or a second one with its number, is a stray. One that fails while its story is
        looked for, or that took the process down ATTEMPTS_MAX times, is emitted all the same, degraded, in a story
        of its own, with a dead letter.
        """
        try:
            article = AnalyzedArticle.decode(source.value)
        except ContractError as error:
            return (stray(source, STAGE, str(error)),)
        sequenced = resequence(state, article.sequence, _pack(source))
        if sequenced.refused is not None:
            return (stray(source, STAGE, sequenced.refused),)
        apply_rows(state, sequenced.rows)
        if sequenced.held:
            return (_counted((), article, {"in": 1, "held": 1}),)
        first = self._emit(article, source, state, {"in": 1})
        return first, *self._emit_held(sequenced.due[1:], state, source.attempts)

    def release(self, state: State) -> tuple[Result, ...]:
        """Results of records whose turn came with an earlier one, and that were too many to come with it."""
        sequenced = release(state)
        apply_rows(state, sequenced.rows)
        return self._emit_held(sequenced.due, state, 0)

    def _emit_held(self, items: tuple[bytes, ...], state: State, attempts: int) -> tuple[Result, ...]:
        held = [_unpack(item, attempts) for item in items]
        return tuple(self._emit(AnalyzedArticle.decode(one.value), one, state, {"held": -1}) for one in held)

    def _emit(self, article: AnalyzedArticle, source: Source, state: State, counts: dict[str, int]) -> Result:
        outcome: Literal["emitted", "updated"] = "emitted" if article.revision == 1 else "updated"
        self._move_on(observed_ms(article), state)
        letters: tuple[Emission, ...] = ()
        try:
            if source.attempts >= ATTEMPTS_MAX:
                raise RuntimeError(f"{source.attempts} processes ended while they worked on it")
            place = self._place(article, state)
            row, records = encode_story(place.story), _records(place)
        except PASSING:
            raise
        except Exception as error:  # whatever it is, it is this record's own: a numbered article is always emitted
            reason = f"{STAGE}: {type(error).__name__}: {error}"[:REASON_MAX]
            place = _Place(open_story(article, NO_FEATURES), new=True)
            records = _records(place)
            article = article.model_copy(update={"degraded": "; ".join(filter(None, (article.degraded, reason)))})
            letters = (
                dead_letter(
                    source,
                    STAGE,
                    reason,
                    id=article.id,
                    feed_url=article.feed.url,
                    position=article.position,
                    supersedes=outcome,
                    observed_at=article.observed_at,
                ),
            )
        else:
            # the story of a failed article is not kept, so that a retry looks for its story anew
            for story in place.ended:
                self._end(story, place.story.id, state)
            self._index.put(place.story)
            state.put(STORY + place.story.id.encode(), row)
            state.put(ARTICLE + article.id.encode(), _MOMENT.pack(observed_ms(article)) + place.story.id.encode())
        ended = Outcome(
            id=article.id,
            revision=article.revision,
            outcome=outcome,
            duplicate=article.duplicate if article.duplicate.kind != "none" else None,
            reason=article.degraded,
            stage=STAGE,
            position=article.position,
            supersedes=article.supersedes,
            feed_url=article.feed.url,
            observed_at=article.observed_at,
        )
        emissions = (
            emission("enriched", article.id, self._enriched(article, place)),
            *(emission("stories", record.id, record) for record in records),
            outcome_emission(ended),
            *letters,
        )
        return _counted(emissions, article, counts | {outcome: 1})

    def _place(self, article: AnalyzedArticle, state: State) -> _Place:
        features = features_of(article)
        if (story := self._story_of(article.id, state)) is not None:
            return _Place(revise_story(story, article, features), new=False)
        # What it updates, or is an emitted copy of, tells its story.
        other = article.duplicate.of
        if other is not None and (story := self._story_of(other, state)) is not None:
            return _Place(join_story(story, article, features), new=False)
        fits = fitting_stories(features, observed_ms(article), self._index, self._window, self._enough)
        if not fits:
            return _Place(open_story(article, features), new=True)
        best, *others = (fit.story.id for fit in fits)
        return self._merged(join_story(_read_story(best, state), article, features), others, state)

    def _merged(self, story: OpenStory, others: list[str], state: State) -> _Place:
        """A story that an article has just joined, with those of the `others` that are the same; the oldest goes on."""
        ended: list[OpenStory] = []
        for other in others:
            features = features_of_story(story)
            if score(features, self._index.compare(features, other)) >= self._one:
                older, younger = sorted((story, _read_story(other, state)), key=lambda one: one.opened)
                story = merged(older, younger)
                ended.append(younger)
        return _Place(story, new=False, ended=tuple(ended))

    def _end(self, story: OpenStory, survivor: str, state: State) -> None:
        self._index.remove(story.id)
        state.delete(STORY + story.id.encode())
        state.put(MERGED + story.id.encode(), _MOMENT.pack(story.last) + survivor.encode())

    def _story_of(self, article: str, state: State) -> OpenStory | None:
        kept = state.get(ARTICLE + article.encode())
        if kept is None or _MOMENT.unpack_from(kept)[0] < self._earliest(state):
            return None
        story = kept[_MOMENT.size :].decode()
        # A story ends in an older one, so that this comes to an end.
        while story not in self._index and (gone := state.get(MERGED + story.encode())) is not None:
            story = gone[_MOMENT.size :].decode()
        return _read_story(story, state) if story in self._index else None

    def _earliest(self, state: State) -> int:
        """Event time before which nothing is remembered."""
        watermark = state.get(WATERMARK)
        return int(watermark) - self._window if watermark is not None else 0

    def _move_on(self, moment: int, state: State) -> None:
        """Move the watermark to an article's event time and take out what has expired by it."""
        before = state.get(WATERMARK)
        watermark = max(moment, int(before)) if before is not None else moment
        if before is None or watermark != int(before):
            state.put(WATERMARK, b"%d" % watermark)
        for story in self._index.expire(watermark - self._window):
            state.delete(STORY + story.id.encode())
        for key, _ in state.sweep(SWEEP_ROWS):
            # read again: this batch may have given the article another story
            kept = state.get(key) if key.startswith((ARTICLE, MERGED)) else None
            if kept is not None and _MOMENT.unpack_from(kept)[0] < watermark - self._window:
                state.delete(key)

    def _enriched(self, article: AnalyzedArticle, place: _Place) -> EnrichedArticle:
        return EnrichedArticle(
            id=article.id,
            revision=article.revision,
            sequence=article.sequence,
            feed=article.feed,
            url=article.url,
            title=article.title,
            text=article.text,
            summary=article.summary,
            authors=article.authors,
            images=article.images,
            language=article.language,
            published_at=article.published_at,
            observed_at=article.observed_at,
            topics=article.topics,
            entities=article.entities,
            duplicate=article.duplicate,
            story=StoryRef(id=place.story.id, new=place.new),
            degraded=article.degraded,
            cut=article.cut,
            provenance=Provenance(software=SOFTWARE, model=article.model, taxonomy=article.taxonomy),
        )


def _counted(emissions: tuple[Emission, ...], article: AnalyzedArticle, counts: dict[str, int]) -> Result:
    return Result(emissions, article.feed.url, counts, ((hour_of(observed_ms(article)), counts),))


def _records(place: _Place) -> tuple[Story, ...]:
    """The story as it stands, then those that have ended in it."""
    return story_record(place.story), *(story_record(story, place.story.id) for story in place.ended)


def _read_story(story: str, state: State) -> OpenStory:
    """An open story: every one that the index knows has its row."""
    row = state.get(STORY + story.encode())
    assert row is not None
    return decode_story(row)


def _pack(source: Source) -> bytes:
    """A record as it waits for its turn: its place in its log, for a dead letter, then its bytes."""
    key = source.key.decode("latin-1") if source.key is not None else None
    head = orjson.dumps([source.topic, source.partition, source.offset, key, source.received_ms])
    return head + b"\n" + (source.value or b"")


def _unpack(item: bytes, attempts: int) -> Source:
    """The record that waited. `attempts` are those of the record that releases it: which of them fails is unknown."""
    head, _, value = item.partition(b"\n")
    topic, partition, offset, key, received_ms = orjson.loads(head)
    kept = key.encode("latin-1") if key is not None else None
    return Source(topic, partition, offset, kept, value, received_ms, attempts)
