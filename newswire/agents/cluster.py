"""analyzed -> enriched and stories: back in sequence, each article joins its story."""

from collections.abc import AsyncIterable

from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.stage import Batch, Partition, Stage, StageApp
from newswire.pipeline.stories.resequence import is_due
from newswire.pipeline.stories.step import ClusterStep

RELEASE = "release"
"""The work that the stage gives itself while articles wait whose turn has come."""


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role; each partition opens its index of stories from its state."""

    async def open_partition(partition: Partition) -> ClusterStep:
        if is_due(partition.state):
            await partition.submit(RELEASE)
        return await partition.in_turns(ClusterStep.opening(worker.settings, partition.state))

    stage = Stage(app, stage_config(worker, "cluster"), open_partition=open_partition)

    @stage.agent
    async def cluster(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            step = batch.context
            assert isinstance(step, ClusterStep)
            for record in batch:
                carry_out(batch, worker.settings, *step.process(source_of(record), batch.state))
            carry_out(batch, worker.settings, *step.release(batch.state))
            if is_due(batch.state):
                await batch.partition.submit(RELEASE)
            batch.done()

    return stage
