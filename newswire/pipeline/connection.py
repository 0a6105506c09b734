"""Where a Kafka is and how to talk to it: passed to everything that opens a client."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Connection:
    """`bootstrap_servers` as host:port,host:port; `options` are further arguments of every Kafka client.

    `fault` says in a line why there is no Kafka now, as far as whoever keeps it knows; None while all is well.
    """

    bootstrap_servers: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    fault: Callable[[], str | None] = lambda: None
