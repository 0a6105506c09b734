"""The contracts: one module a topic, and the JSON Schema files that are generated from them.

Nothing here imports the rest of newswire. Every record carries its schema's name, so that a reader can bring up what an
older version wrote (versions.py), and refuse a version that it does not know.
"""

from newswire.schemas.analyzed import AnalyzedArticle
from newswire.schemas.common import Duplicate, DuplicateKind, Entity, Feed, Language, Topic
from newswire.schemas.dead import DeadLetter
from newswire.schemas.enriched import EnrichedArticle, Provenance, StoryRef
from newswire.schemas.feeds import FeedSettings
from newswire.schemas.outcomes import Outcome, OutcomeKind
from newswire.schemas.prepared import PreparedArticle
from newswire.schemas.raw import RawArticle, RawDiscard, RawOversize, RawRetry, decode_raw
from newswire.schemas.stories import Story
from newswire.schemas.unique import UniqueArticle

__all__ = [
    "AnalyzedArticle",
    "DeadLetter",
    "Duplicate",
    "DuplicateKind",
    "EnrichedArticle",
    "Entity",
    "Feed",
    "FeedSettings",
    "Language",
    "Outcome",
    "OutcomeKind",
    "PreparedArticle",
    "Provenance",
    "RawArticle",
    "RawDiscard",
    "RawOversize",
    "RawRetry",
    "Story",
    "StoryRef",
    "Topic",
    "UniqueArticle",
    "decode_raw",
]
