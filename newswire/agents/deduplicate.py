"""prepared -> unique: what is no copy gets the next sequence number."""

from collections.abc import AsyncIterable

from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.duplicates.step import DeduplicateStep
from newswire.pipeline.stage import Batch, Partition, Stage, StageApp


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role; each partition opens its index from its state."""

    async def open_partition(partition: Partition) -> DeduplicateStep:
        return await partition.in_turns(DeduplicateStep.opening(worker.settings, partition.state))

    stage = Stage(app, stage_config(worker, "deduplicate"), open_partition=open_partition)

    @stage.agent
    async def deduplicate(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            step = batch.context
            assert isinstance(step, DeduplicateStep)
            for record in batch:
                carry_out(batch, worker.settings, step.process(source_of(record), batch.state))
            batch.done()

    return stage
