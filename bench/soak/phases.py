"""The phases of a soak: what each loads the service with, for how long, and how the service is configured in it."""

from dataclasses import dataclass
from pathlib import Path

WINDOW_SECONDS = 30
"""The window of each stage, of event time: several of them are over before the end of the warm-up."""
RETENTION_SECONDS = 60
"""How long each log is kept, which is the least that an embedded broker can do."""
POLL_SECONDS = 5
FEEDS = 300

CONFIG = """\
namespace = "{namespace}"
state_dir = "{folder}"
[kafka]
raw_retention_seconds = {retention}
enriched_retention_seconds = {retention}
[collect]
interval_min = {interval}
interval_default = {interval}
interval_max = {interval}
host_polls_at_once = 64
host_spacing = 0.0
allow_private = true
[prepare]
window_seconds = {window}
[deduplicate]
window_seconds = {window}
[cluster]
window_seconds = {window}
[run]
port = 0
"""
CONSTANT = """\
[analyze]
constant_ms = {milliseconds}
"""


@dataclass(frozen=True)
class Phase:
    """One load on a fresh service.

    `share`: of the soak's minutes. `rate`: articles a second; 0 is as fast as they are done. `of_full`: the rate as a
    part of what the phase `full` reached. `constant_ms` replaces the encoder. `p99_ms` is the goal for the latency,
    null where the load leaves no room for one, and `p99_encoder` how many of the encoder's own times come on top.
    `entries`: how many a feed's document holds; so many that it is full within the warm-up, as a feed's always is, and
    that few are pushed out between two polls.
    """

    name: str
    share: float
    entries: int
    rate: float = 0.0
    of_full: float = 0.0
    constant_ms: float | None = None
    p99_ms: float | None = None
    p99_encoder: float = 0.0

    def latency_goal(self, encoder_ms: float) -> float | None:
        """Milliseconds from raw to enriched that 99 of 100 articles may take, with an encoder that takes so long."""
        return None if self.p99_ms is None else self.p99_ms + self.p99_encoder * encoder_ms

    def config(self, folder: Path) -> str:
        """The configuration file of the service, with its state in `folder`."""
        text = CONFIG.format(
            namespace=f"soak-{self.name}",
            folder=folder,
            retention=RETENTION_SECONDS,
            interval=POLL_SECONDS,
            window=WINDOW_SECONDS,
        )
        return text if self.constant_ms is None else text + CONSTANT.format(milliseconds=self.constant_ms)


PHASES = (
    Phase("full", 1 / 4, entries=4),
    Phase("half", 1 / 4, entries=3, of_full=0.5, p99_ms=200.0, p99_encoder=4.0),
    Phase("tenfold", 1 / 3, entries=20, rate=200.0, constant_ms=1.0),
    Phase("news", 1 / 6, entries=4, rate=20.0, constant_ms=1.0, p99_ms=250.0),
)
"""Full speed and half of it with the encoder; ten times world news and world news with a constant of 1 ms."""
