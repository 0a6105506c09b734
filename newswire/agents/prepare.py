"""raw -> prepared: clean text, language, identity and revision."""

from collections.abc import AsyncIterable

from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.stage import Batch, Stage, StageApp
from newswire.pipeline.text.prepare import PrepareStep


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role."""
    step = PrepareStep(worker.settings)
    stage = Stage(app, stage_config(worker, "prepare"))

    @stage.agent
    async def prepare(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            for record in batch:
                carry_out(batch, worker.settings, step.process(source_of(record), batch.state))
            batch.done()

    return stage
