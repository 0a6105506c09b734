"""The HTTP endpoint of a worker: `/health` tells progress, `/metrics` is for Prometheus."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from newswire.pipeline.stage import Stage


class StageMetrics(Collector):
    """The stages' own counts, read when they are asked for."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    def collect(self) -> Iterable[Metric]:
        """Records and transactions committed, the lag, the partitions that are ready and further counts, by stage."""
        records = CounterMetricFamily("newswire_stage_records", "Input records committed.", labels=["stage"])
        commits = CounterMetricFamily("newswire_stage_transactions", "Transactions committed.", labels=["stage"])
        lag = GaugeMetricFamily("newswire_stage_lag", "Input records not yet taken.", labels=["stage", "partition"])
        ready = GaugeMetricFamily("newswire_stage_partitions_ready", "Partitions that work.", labels=["stage"])
        waiting = GaugeMetricFamily(
            "newswire_stage_waiting_seconds", "Seconds with something to do and no commit.", labels=["stage"]
        )
        counts = GaugeMetricFamily("newswire_stage_count", "What else the stage counts.", labels=["stage", "name"])
        for stage in self._stages:
            progress = stage.progress()
            name = stage.config.name
            for counted, number in stage.counts().items():
                counts.add_metric([name, counted], number)
            records.add_metric([name], progress.records)
            commits.add_metric([name], progress.transactions)
            ready.add_metric([name], len(progress.ready))
            waiting.add_metric([name], progress.waiting_seconds)
            for partition, behind in progress.lag.items():
                lag.add_metric([name, str(partition)], behind)
        return (records, commits, lag, ready, waiting, counts)


def describe(stages: Sequence[Stage], stall_seconds: float) -> tuple[bool, dict[str, Any]]:
    """Whether every stage makes progress, and what to show of it."""
    rows: dict[str, Any] = {}
    healthy = True
    for stage in stages:
        progress = stage.progress()
        stalled = progress.waiting_seconds > stall_seconds
        healthy = healthy and not stalled
        rows[stage.config.name] = {
            "records": progress.records,
            "transactions": progress.transactions,
            "partitions_ready": progress.ready,
            "restoring": progress.restoring,
            "lag": sum(progress.lag.values()),
            "waiting_seconds": round(progress.waiting_seconds, 1),
            "stalled": stalled,
            **stage.counts(),
        }
    return healthy, {"status": "ok" if healthy else "stalled", "stages": rows}


async def serve_health(
    host: str, port: int, health: Callable[[], tuple[bool, dict[str, Any]]], collector: Collector | None = None
) -> web.AppRunner:
    """Serve `/health` (200, or 503 when `health` says so) and `/metrics`; stop it with the runner's cleanup().

    Raises OSError when the port is taken.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    if collector is not None:
        registry.register(collector)

    async def answer_health(_: web.Request) -> web.Response:
        healthy, body = health()
        return web.json_response(body, status=200 if healthy else 503)

    async def answer_metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/health", answer_health), web.get("/metrics", answer_metrics)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
