"""The enriched topic for other programs: an async iterator over typed records, its filters and its formats."""

from newswire.pipeline.subscribe.filters import Filters
from newswire.pipeline.subscribe.gaps import ArticlesExpired, Gap, Mark
from newswire.pipeline.subscribe.place import Start
from newswire.pipeline.subscribe.reader import Delivered, NoSuchWire, read_enriched, subscribe

__all__ = [
    "ArticlesExpired",
    "Delivered",
    "Filters",
    "Gap",
    "Mark",
    "NoSuchWire",
    "Start",
    "read_enriched",
    "subscribe",
]
