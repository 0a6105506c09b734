"""The oracle's analyses: made again with this machine's encoder, or taken from `analyzed` where they cannot be."""

from newswire.pipeline.analysis.step import AnalyzeStep, Runner
from newswire.pipeline.step import Result, Source, dead_letter, emission
from newswire.pipeline.verify.found import Topics
from newswire.pipeline.verify.rebuild import NotKept
from newswire.schemas import AnalyzedArticle, UniqueArticle
from newswire.schemas.common import ContractError, parse_object

AHEAD = 2_000
"""Records of `analyzed` that are read at a time: they stand nearly in sequence."""
_MANY = 255
NOT_RECORDED = "its analysis is not recorded"
_OF_UNIQUE = tuple(name for name in UniqueArticle.model_fields if name != "schema_")


class RecordedAnalyses:
    """What `analyzed` holds, by sequence number; to be asked for in sequence, each number once."""

    def __init__(self, topics: Topics) -> None:
        """`topics` with a reader of its own: it is read in between."""
        self._topics = topics
        self._ahead: dict[int, AnalyzedArticle] = {}
        self._kept: bytearray | None = None

    async def at(self, sequence: int) -> AnalyzedArticle | None:
        """The analyzed record with this number, None when it is not there yet, or no longer."""
        if self._kept is None:
            self._kept = bytearray() if await self._topics.is_whole("analyzed") else await self._numbers()
        while sequence not in self._ahead and not self.is_lost(sequence) and await self._read():
            pass
        return self._ahead.pop(sequence, None)

    def is_lost(self, sequence: int) -> bool:
        """Whether the record with this number is gone, by retention where nothing else is wrong."""
        kept = self._kept or b""
        return sequence < len(kept) and not kept[sequence]

    async def _numbers(self) -> bytearray:
        """A mark for each number that a record had when this was called."""
        kept = bytearray(1)
        async for record in self._topics.peek("analyzed"):
            try:
                sequence = parse_object(record.value).get("sequence")
            except ContractError:
                continue
            if isinstance(sequence, int) and sequence > 0:
                kept.extend(bytes(max(0, sequence + 1 - len(kept))))
                kept[sequence] = 1
        return kept

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
    anything else cannot come out the same, and is taken as it is recorded (`taken` counts them). One that retention
    has taken must have been made by that model, as its enriched record tells.
    """

    def __init__(self, recorded: RecordedAnalyses, runner: Runner | None) -> None:
        """`runner` None takes every analysis as it is recorded."""
        self._recorded = recorded
        self._runner = runner
        self._makers: list[tuple[str, str] | None] = []
        self._made_by = bytearray()
        self.taken = 0

    def note(self, place: int, maker: tuple[str, str] | None) -> None:
        """By what the enriched record at a place (its sequence number from 0) was made, None for a failed analysis."""
        if maker not in self._makers:
            self._makers.append(maker)
        self._made_by.extend(bytes(max(0, place + 1 - len(self._made_by))))
        self._made_by[place] = min(self._makers.index(maker) + 1, _MANY)

    async def process(self, source: Source) -> Result:
        """The analyzed record of a unique one. Raises NotKept."""
        article = UniqueArticle.decode(source.value)
        recorded = await self._recorded.at(article.sequence)
        runner = self._runner
        if recorded is None and self._recorded.is_lost(article.sequence):
            self._check_maker(article)
        if runner is not None:
            own = (runner.name, runner.taxonomy)
            if recorded is None or (recorded.model, recorded.taxonomy) == own:
                return await AnalyzeStep(runner).process(source)
        self.taken += 1
        return _as_recorded(source, article, recorded)

    def _check_maker(self, article: UniqueArticle) -> None:
        place = article.sequence - 1
        number = self._made_by[place] if place < len(self._made_by) else 0
        if self._runner is None:
            raise NotKept(f"the analysis of article {article.id}, which --trust-analysis needs, is gone")
        if number and (number == _MANY or self._makers[number - 1] != (self._runner.name, self._runner.taxonomy)):
            raise NotKept(f"the analysis of article {article.id} was another model's, or failed, and is gone")


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
