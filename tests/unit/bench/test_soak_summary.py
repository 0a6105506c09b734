"""The figures of a soak: growth and latency after the warm-up, against their goals; latency at the start and end."""

import math
from pathlib import Path

import pytest

from bench.figures import Figure
from bench.soak.phases import PHASES, Phase
from bench.soak.run import Run
from bench.soak.sample import Sample, disk_use
from bench.soak.summary import figures, percentile
from bench.soak.watch import Latency
from newswire.pipeline.settings import load_settings

HALF = next(phase for phase in PHASES if phase.name == "half")


def run(phase: Phase = HALF, growing: float = 0.0) -> Run:
    """A phase of 100 s with a sample each second and an article each half second, slower and slower."""
    samples = tuple(
        Sample(
            at=float(at),
            memory={"wire": 100 + growing * at},
            descriptors={"wire": 50},
            disk={"logs": min(at, 50) / 10},
            cpu={"service": 0.5 * at, "soak": 0.1 * at, "machine": 0.75 * at},
            raw=3 * at,
            outcomes=2 * at,
            oldest=float(at),
        )
        for at in range(100)
    )
    return Run(phase, 100.0, 15.0, samples, tuple(Latency(at / 2, float(at)) for at in range(-3, 200)), 0)


def named(rows: list[Figure], name: str) -> Figure:
    return next(row for row in rows if row.name == f"half: {name}")


def test_growth_is_that_of_the_medians_after_the_warm_up() -> None:
    flat, grown = (figures(run(growing=by), 30.0) for by in (0.0, 1.0))
    assert named(flat, "memory of wire").ratio == 1.0
    assert named(grown, "memory of wire").value == pytest.approx(189.5)
    assert named(grown, "memory of wire").ratio == pytest.approx(189.5 / 150)
    assert named(flat, "descriptors of wire").ratio == 1.0


def test_latency_at_the_start_at_the_end_and_of_all_after_the_warm_up() -> None:
    rows = figures(run(), 30.0)
    assert named(rows, "raw to enriched at the start, p50").value == 40
    assert named(rows, "raw to enriched at the end, p99").value == 199
    assert named(rows, "raw to enriched after the warm-up, p50").value == 139  # of 80 to 199 ms
    assert named(rows, "raw to enriched after the warm-up, p50").goal is None
    assert named(rows, "raw to enriched after the warm-up, p99").goal == "<= 320"  # four times 30 ms and 200 ms
    assert named(rows, "raw to enriched at the end, p99").goal is None


def test_the_rate_and_the_age_of_the_log() -> None:
    rows = figures(run(), 30.0)
    assert named(rows, "outcomes").value == pytest.approx(2.0)
    assert named(rows, "outcomes").goal == "15.0"
    assert named(rows, "oldest record of raw").value == 99
    # 5 MiB stood there after 60 s and 120 articles; 2 a second are 480 in the 240 s that they are kept
    assert named(rows, "most disk of logs").ratio == pytest.approx(5 / (5 / 120 * 480))


def test_cpu_of_whom() -> None:
    rows = figures(run(), 30.0)
    assert named(rows, "CPU of the service").value == pytest.approx(50)
    assert named(rows, "CPU of others").value == pytest.approx(15)


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile(map(float, range(1, 101)), 99) == 99.0
    assert percentile([5.0], 99) == 5.0
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
def test_the_configuration_of_each_phase_is_one(phase: Phase, tmp_path: Path) -> None:
    file = tmp_path / "newswire.toml"
    file.write_text(phase.config(tmp_path))
    settings = load_settings(file)
    assert settings.namespace == f"soak-{phase.name}"
    assert settings.analyze.constant_ms == phase.constant_ms
    assert sum(each.share for each in PHASES) == pytest.approx(1.0)


def test_the_disk_is_told_by_what_bounds_it(tmp_path: Path) -> None:
    for name in ("soak-x.raw-0", "soak-x.cluster.changelog-0", "__consumer_offsets-3"):
        (tmp_path / "broker" / "data" / name).mkdir(parents=True)
        (tmp_path / "broker" / "data" / name / "0.log").write_bytes(b"x" * (1 << 20))
    (tmp_path / "workers").mkdir()
    sizes = disk_use(tmp_path, "soak-x")
    assert sizes == pytest.approx({"logs": 1, "tables": 1, "kafka": 1, "workers": 0}, abs=0.05)
