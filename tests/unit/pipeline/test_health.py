"""What a worker's health endpoint shows of its stages."""

from types import SimpleNamespace
from typing import Any

from newswire.pipeline.app.health import StageMetrics, describe
from newswire.pipeline.stage import StageProgress


def stage(name: str, waiting: float = 0.0, **counts: int) -> Any:
    progress = StageProgress(7, 3, {0: 2, 1: 0}, (0, 1), waiting, None, restoring=False)
    return SimpleNamespace(config=SimpleNamespace(name=name), progress=lambda: progress, counts=lambda: counts)


def test_progress_and_what_else_a_stage_counts() -> None:
    healthy, shown = describe([stage("collect", archived=5, archive_failing=0), stage("prepare")], 60)
    assert healthy
    assert (shown["stages"]["collect"]["archived"], shown["stages"]["collect"]["lag"]) == (5, 2)
    assert "archived" not in shown["stages"]["prepare"]
    assert not describe([stage("prepare", waiting=61)], 60)[0]


def test_metrics() -> None:
    metrics = StageMetrics([stage("collect", archived=5), stage("prepare")]).collect()
    samples = {(sample.name, *sample.labels.values()): sample.value for metric in metrics for sample in metric.samples}
    assert samples["newswire_stage_count", "collect", "archived"] == 5
    assert samples["newswire_stage_records_total", "prepare"] == 7
