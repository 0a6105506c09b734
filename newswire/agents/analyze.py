"""unique -> analyzed: one encoder pass gives topics, entities and the embedding."""

from collections.abc import AsyncIterable

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.step import AnalyzeStep
from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.stage import Batch, Stage, StageApp, fatal


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role, with the worker's one encoder."""

    def hang() -> None:
        fatal(TimeoutError("one analysis took too long"), "analyze")

    step = AnalyzeStep(open_analysis(worker.settings.analyze, hang))
    stage = Stage(app, stage_config(worker, "analyze"))

    @stage.agent
    async def analyze(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for record in batch:
                carry_out(batch, worker.settings, await step.process(source_of(record)))
            batch.done()

    return stage
