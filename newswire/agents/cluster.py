"""analyzed -> enriched and stories: back in sequence, each article joins its story."""

from collections.abc import AsyncIterable

from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.stage import Batch, Partition, Stage, StageApp
from newswire.pipeline.stories.step import ClusterStep


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role; each partition opens its index of stories from its state."""

    def open_partition(partition: Partition) -> ClusterStep:
        return ClusterStep(worker.settings, partition.state)

    stage = Stage(app, stage_config(worker, "cluster"), open_partition=open_partition)

    @stage.agent
    async def cluster(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            step = batch.context
            assert isinstance(step, ClusterStep)
            for record in batch:
                carry_out(batch, worker.settings, *step.process(source_of(record), batch.state))
            batch.done()

    return stage
