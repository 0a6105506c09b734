"""The step of analyze: exactly one analyzed record for each unique one, degraded where the analysis fails."""

from base64 import b64encode
from typing import Protocol

from newswire.pipeline.analysis.results import Analysis
from newswire.pipeline.state import PASSING
from newswire.pipeline.step import Result, Source, dead_letter, emission, stray
from newswire.schemas import AnalyzedArticle, Entity, Topic, UniqueArticle
from newswire.schemas.common import ContractError

STAGE = "analyze"
ATTEMPTS_MAX = 3


class Runner(Protocol):
    """What runs the encoder: `name` says which model on which instruction set, `taxonomy` which topic release."""

    @property
    def name(self) -> str: ...

    @property
    def taxonomy(self) -> str: ...

    async def run(self, title: str, text: str) -> Analysis:
        """Analyse one article. Whatever it raises is that article's own fault, but for `PASSING`."""


class AnalyzeStep:
    """Analyses unique articles one at a time; keeps no state."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def process(self, source: Source) -> Result:
        """The analyzed record of a unique one; with a dead letter as well when the analysis failed."""
        try:
            article = UniqueArticle.decode(source.value)
        except ContractError as error:
            return stray(source, STAGE, str(error))
        if source.attempts >= ATTEMPTS_MAX:
            return self._degraded(source, article, f"was being worked on in {source.attempts} ends of the process")
        try:
            analysis = await self._runner.run(article.title, article.text)
        except PASSING:
            raise
        except Exception as error:
            return self._degraded(source, article, f"{type(error).__name__}: {error}")
        return _result(article, _analyzed(article, analysis, self._runner))

    def _degraded(self, source: Source, article: UniqueArticle, reason: str) -> Result:
        letter = dead_letter(
            source,
            STAGE,
            reason,
            id=article.id,
            feed_url=article.feed.url,
            position=article.position,
            supersedes="emitted" if article.revision == 1 else "updated",
            observed_at=article.observed_at,
        )
        result = _result(article, _analyzed(article, None, self._runner, reason[:500]))
        return Result((*result.emissions, letter), result.feed, result.counts)


def _analyzed(
    article: UniqueArticle, analysis: Analysis | None, runner: Runner, reason: str | None = None
) -> AnalyzedArticle:
    kept = {name: getattr(article, name) for name in UniqueArticle.model_fields if name != "schema_"}
    if analysis is None:
        return AnalyzedArticle(**kept, degraded=reason, model=runner.name, taxonomy=runner.taxonomy)
    return AnalyzedArticle(
        **kept,
        topics=tuple(Topic(id=t.id, name=t.name, score=t.score, threshold=t.threshold) for t in analysis.topics),
        entities=tuple(
            Entity(text=e.text, type=e.type, field=e.field, start=e.start, end=e.end, score=e.score)
            for e in analysis.entities
        ),
        embedding=b64encode(analysis.embedding).decode(),
        model=runner.name,
        taxonomy=runner.taxonomy,
    )


def _result(article: UniqueArticle, analyzed: AnalyzedArticle) -> Result:
    return Result((emission("analyzed", article.id, analyzed),), article.feed.url, {"in": 1, "out": 1})
