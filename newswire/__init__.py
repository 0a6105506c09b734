"""newswire: a self-hosted service that turns news feeds into an enriched wire on Kafka.

`newswire.subscribe` gives the enriched articles to a Python program.
"""

from typing import TYPE_CHECKING, Any

from newswire.version import __version__

if TYPE_CHECKING:
    from newswire.pipeline.subscribe import subscribe

__all__ = ["__version__", "subscribe"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: a Kafka client takes a second to import, and the contracts alone do not need it.
    if name == "subscribe":
        from newswire.pipeline.subscribe import subscribe

        return subscribe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
