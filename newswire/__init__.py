"""newswire: a self-hosted service that turns news feeds into an enriched wire on Kafka.

`newswire.subscribe` gives the enriched articles to a Python program.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from newswire.pipeline.subscribe import subscribe

__all__ = ["__version__", "subscribe"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: a Kafka client takes a second to import, and the contracts alone do not need it.
    if name == "subscribe":
        from newswire.pipeline.subscribe import subscribe

        return subscribe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
