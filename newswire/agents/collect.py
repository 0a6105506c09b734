"""feeds -> raw: polls the feeds of its partitions, and sends what is new or changed."""

import asyncio
from collections.abc import AsyncIterable
from dataclasses import replace

from newswire.pipeline.app.carry import carry_out, source_of
from newswire.pipeline.app.stages import Worker, stage_config
from newswire.pipeline.feeds.collector import Collector, PartitionPoller
from newswire.pipeline.feeds.polls import Poll
from newswire.pipeline.feeds.step import CollectStep
from newswire.pipeline.stage import Batch, Stage, StageApp

BATCH_MAX = 4
"""Polls (or settings) of one transaction: each may bring thousands of articles, half a second of work."""


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role."""
    step = CollectStep(worker.settings)
    collector = Collector(worker.settings)
    stage = Stage(
        app,
        replace(stage_config(worker, "collect"), batch_max=BATCH_MAX),
        open_partition=collector.open,
        close_partition=collector.close,
    )

    @stage.agent
    async def collect(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            poller = batch.context
            assert isinstance(poller, PartitionPoller)
            for record in batch:
                carry_out(batch, worker.settings, step.settings(source_of(record), batch.state))
                poller.refresh((record.key or b"").decode(errors="replace"), batch.state)
            for poll in batch.work:
                assert isinstance(poll, Poll)
                carry_out(batch, worker.settings, step.finished(poll, batch.state))
                poller.done(poll)
                poller.refresh(poll.url, batch.state)
                await asyncio.sleep(0)  # a thousand entries take a while to decide: let heartbeats through
            batch.done()

    return stage
