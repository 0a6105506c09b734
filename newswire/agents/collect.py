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
"""Items of work (or settings) of one transaction: a document may bring thousands of articles, half a second of work.
Polls without one come together as one item."""

INTERVAL = 0.1
"""Seconds between two transactions of a partition, unless BATCH_MAX items wait. Polls without a document waited for
each other before (bench.polls). Those with one bring articles, and articles that are held back reach the encoder in a
burst: at half of full speed 0.5 s put a half on an article's median time on the wire (`bench.soak --phase half`)."""

FETCH_WAIT_MS = 2_000
"""The input, `feeds`, is idle nearly always: to ask eight partitions twice a second took a sixth of the poller's time
and a quarter of the broker's at 50 polls/s. A restart may wait this long between its state and its input."""


def build(app: StageApp, worker: Worker) -> Stage:
    """The stage of this role."""
    step = CollectStep(worker.settings)
    collector = Collector(worker.settings, name=worker.instance("collect"))
    stage = Stage(
        app,
        replace(stage_config(worker, "collect"), batch_max=BATCH_MAX, interval=INTERVAL, fetch_wait_ms=FETCH_WAIT_MS),
        open_partition=collector.open,
        close_partition=collector.close,
        counts=collector.counts,
    )

    @stage.agent
    async def collect(batches: AsyncIterable[Batch]) -> None:
        async for batch in batches:
            poller = batch.context
            assert isinstance(poller, PartitionPoller)
            for record in batch:
                carry_out(batch, worker.settings, step.settings(source_of(record), batch.state))
                poller.refresh((record.key or b"").decode(errors="replace"), batch.state)
            for polls in batch.work:
                assert isinstance(polls, tuple)
                for poll in polls:
                    assert isinstance(poll, Poll)
                    carry_out(batch, worker.settings, step.finished(poll, batch.state))
                    poller.done(poll)
                    poller.refresh(poll.url, batch.state)
                await asyncio.sleep(0)  # a thousand entries take a while to decide: let heartbeats through
            batch.done()

    return stage
