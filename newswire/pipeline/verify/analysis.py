"""The oracle's analyses: made again with this machine's encoder, or taken from `analyzed` where they cannot be."""

from newswire.pipeline.analysis.step import AnalyzeStep, Runner
from newswire.pipeline.step import Result, Source, dead_letter, emission
from newswire.pipeline.verify.found import Topics
from newswire.schemas import AnalyzedArticle, UniqueArticle
from newswire.schemas.common import ContractError

AHEAD = 2_000
"""Records of `analyzed` that are read at a time: they stand nearly in sequence."""
NOT_RECORDED = "its analysis is not recorded"
_OF_UNIQUE = tuple(name for name in UniqueArticle.model_fields if name != "schema_")


class RecordedAnalyses:
    """What `analyzed` holds, by sequence number; to be asked for in sequence, each number once."""

    def __init__(self, topics: Topics) -> None:
        """`topics` with a reader of its own: it is read in between."""
        self._topics = topics
        self._ahead: dict[int, AnalyzedArticle] = {}

    async def at(self, sequence: int) -> AnalyzedArticle | None:
        """The analyzed record with this number, None when it is not there yet."""
        while sequence not in self._ahead and await self._read():
            pass
        return self._ahead.pop(sequence, None)

    async def _read(self) -> int:
        read = 0
        async for record in self._topics.raw("analyzed", AHEAD):
            read += 1
            try:
                article = AnalyzedArticle.decode(record.value)
            except ContractError:
                continue  # a stray, which the comparison counts
            self._ahead.setdefault(article.sequence, article)
        return read


class OracleAnalysis:
    """The analyze step of an oracle.

    An analysis is made again where it was made by the same model on the same instruction set with the same taxonomy;
    anything else cannot come out the same, and is taken as it is recorded (`taken` counts them).
    """

    def __init__(self, recorded: RecordedAnalyses, runner: Runner | None) -> None:
        """`runner` None takes every analysis as it is recorded."""
        self._recorded = recorded
        self._runner = runner
        self.taken = 0

    async def process(self, source: Source) -> Result:
        """The analyzed record of a unique one."""
        article = UniqueArticle.decode(source.value)
        recorded = await self._recorded.at(article.sequence)
        runner = self._runner
        if runner is not None:
            own = (runner.name, runner.taxonomy)
            if recorded is None or (recorded.model, recorded.taxonomy) == own:
                return await AnalyzeStep(runner).process(source)
        self.taken += 1
        return _as_recorded(source, article, recorded)


def _as_recorded(source: Source, article: UniqueArticle, recorded: AnalyzedArticle | None) -> Result:
    kept = {name: getattr(article, name) for name in _OF_UNIQUE}
    if recorded is None:
        analyzed = AnalyzedArticle(**kept, degraded=NOT_RECORDED, model="", taxonomy="")
    else:
        analyzed = recorded.model_copy(update=kept)
    emissions = [emission("analyzed", article.id, analyzed)]
    if recorded is not None and recorded.degraded is not None:
        emissions.append(dead_letter(source, "analyze", recorded.degraded, id=article.id, position=article.position))
    return Result(tuple(emissions), article.feed.url, {"in": 1, "out": 1})
