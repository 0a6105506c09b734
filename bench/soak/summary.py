"""The figures of a phase, from its samples and latencies. Pure.

The first two fifths of a phase are its warm-up: what a process takes is flat when the median of the phase's last fifth
is no more than that of the fifth after the warm-up. Latency at the start is that of the articles enriched in the second
and third tenth, when all of it runs; at the end, that of the last fifth. Its goal is for all after the warm-up: of a
fifth's articles at half of full speed the slowest hundredth is one burst of arrivals or two.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.figures import Figure
from bench.soak.phases import RETENTION_SECONDS
from bench.soak.run import Run
from newswire.pipeline.broker.config import RETENTION_CHECK_SECONDS
from newswire.pipeline.broker.topics import segment_ms

Part = tuple[float, float]
AFTER_WARM_UP: Part = (0.4, 0.6)
WORKED: Part = (0.4, 1.0)
AT_START: Part = (0.1, 0.3)
AT_END: Part = (0.8, 1.0)
FLAT = "<= 1.03"
FLAT_FILES = "<= 1.1"
"""Descriptors come and go: a store has one to three files, a log's segments wait to be compacted or deleted, and there
are as many sockets as there were polls at once. A leak adds to them without end."""
KEPT_SECONDS = RETENTION_SECONDS + segment_ms(1000 * RETENTION_SECONDS) / 1000 + RETENTION_CHECK_SECONDS
"""How old a record may become: its retention, the rest of its segment, and the time until the broker looks."""
DELETE_SECONDS = 60
"""How long Kafka leaves a segment's files on the disk after it has dropped the segment."""


@dataclass(frozen=True)
class Series:
    """One value over the time of a phase: (seconds, value)."""

    name: str
    unit: str
    goal: str | None
    points: tuple[tuple[float, float], ...]


def figures(run: Run, encoder_ms: float) -> list[Figure]:
    """All figures of a phase. `encoder_ms`: the encoder's own time for an article."""
    name = run.phase.name
    oldest = max(sample.oldest for sample in run.samples)
    return [
        Figure(f"{name}: outcomes", outcome_rate(run), "articles/s", goal=f"{run.rate:.1f}" if run.rate else None),
        *_cpu(run),
        Figure(f"{name}: articles not released, it fell behind", run.held_back, "articles", goal="0"),
        *(_growth(run, series) for series in all_series(run)),
        Figure(f"{name}: oldest record of raw", oldest, "s", goal=f"<= {KEPT_SECONDS:.0f}"),
        _bounded(run),
        *_latencies(run, run.phase.latency_goal(encoder_ms)),
    ]


def outcome_rate(run: Run) -> float:
    """Outcomes a second after the warm-up; nan when there are not two samples of it."""
    return _rate([(sample.at, sample.outcomes) for sample in run.samples if _within(run, sample.at, WORKED)])


def all_series(run: Run) -> Iterator[Series]:
    """What each process and each kind of disk took over the time."""
    for name in run.samples[-1].memory:
        points = tuple((sample.at, sample.memory[name]) for sample in run.samples if name in sample.memory)
        yield Series(f"memory of {name}", "MiB", FLAT, points)
    for name in run.samples[-1].descriptors:
        open_ones = tuple((sample.at, sample.descriptors[name]) for sample in run.samples if name in sample.descriptors)
        yield Series(f"descriptors of {name}", "open", FLAT_FILES, open_ones)
    for kind in run.samples[-1].disk:
        yield Series(f"disk of {kind}", "MiB", None, tuple((sample.at, sample.disk[kind]) for sample in run.samples))


def percentile(values: Iterable[float], share: int) -> float:
    """The value that `share` per cent of the values do not exceed (nearest rank); nan of none."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share / 100) - 1] if ordered else math.nan


def _cpu(run: Run) -> Iterator[Figure]:
    """Parts of a core that were taken after the warm-up, by the service, by the soak itself and by all else."""
    worked = [sample for sample in run.samples if _within(run, sample.at, WORKED)]
    taken = {name: 100 * _rate([(sample.at, sample.cpu[name]) for sample in worked]) for name in ("service", "soak")}
    machine = 100 * _rate([(sample.at, sample.cpu["machine"]) for sample in worked])
    for who, share in (
        ("the service", taken["service"]),
        ("the soak", taken["soak"]),
        ("others", machine - sum(taken.values())),
    ):
        yield Figure(f"{run.phase.name}: CPU of {who}", share, "% of a core")


def _rate(points: Sequence[tuple[float, float]]) -> float:
    """The slope from the first point to the last."""
    if len(points) < 2:
        return math.nan
    return (points[-1][1] - points[0][1]) / (points[-1][0] - points[0][0])


def _growth(run: Run, series: Series) -> Figure:
    before, after = (
        statistics.median([value for at, value in series.points if _within(run, at, part)] or [math.nan])
        for part in (AFTER_WARM_UP, AT_END)
    )
    ratio = after / before if before else None
    return Figure(f"{run.phase.name}: {series.name}", after, series.unit, "after the warm-up", ratio, series.goal)


def _bounded(run: Run) -> Figure:
    """The most that the logs took against what articles of the time that they are kept take, deleted files included."""
    kept = KEPT_SECONDS + DELETE_SECONDS
    # an article's size on the disk, before anything is dropped
    early = max((sample for sample in run.samples if sample.at <= RETENTION_SECONDS), key=lambda sample: sample.at)
    article = early.disk["logs"] / early.outcomes if early.outcomes else math.nan
    most = max(sample.disk["logs"] for sample in run.samples)
    ratio = most / (article * outcome_rate(run) * kept or math.nan)
    return Figure(f"{run.phase.name}: most disk of logs", most, "MiB", f"{kept:.0f} s of articles", ratio, "<= 1.1")


def _latencies(run: Run, goal: float | None) -> Iterator[Figure]:
    for when, part in (("at the start", AT_START), ("at the end", AT_END), ("after the warm-up", WORKED)):
        taken = [one.milliseconds for one in run.latencies if _within(run, one.at, part)]
        for share in (50, 99):
            told = f"<= {goal:.0f}" if goal is not None and share == 99 and part == WORKED else None
            name = f"{run.phase.name}: raw to enriched {when}, p{share}"
            yield Figure(name, percentile(taken, share), "ms", goal=told)


def _within(run: Run, at: float, part: Part) -> bool:
    return part[0] * run.seconds <= at <= part[1] * run.seconds
