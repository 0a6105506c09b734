"""newswire: a self-hosted service that turns news feeds into an enriched wire on Kafka.

`newswire.subscribe` gives the enriched articles to a Python program; ArticlesExpired tells it of a Gap in them.
"""

from typing import TYPE_CHECKING, Any

from newswire.version import __version__

if TYPE_CHECKING:
    from newswire.pipeline.subscribe import ArticlesExpired, Gap, subscribe

__all__ = ["ArticlesExpired", "Gap", "__version__", "subscribe"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: a Kafka client takes a second to import, and the contracts alone do not need it.
    if name in ("ArticlesExpired", "Gap", "subscribe"):
        from newswire.pipeline import subscribe

        return getattr(subscribe, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
