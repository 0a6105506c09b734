"""A generated wire: feeds whose entries are articles, some of them copies of other feeds' and some revised."""

import random
from collections.abc import Sequence

from tests.changing_feeds import ChangingFeeds, Version
from tests.wire import WORDS

COPIES = 6
"""Every sixth entry has the text of the one before it, which may stand in another feed."""

POISON = (b"{not json", b"[]", b'{"schema":"newswire.raw.v9"}', b"\xff\xfe", b"{}", b"")
"""Values that are a record of no topic."""


class News(ChangingFeeds):
    """ChangingFeeds with texts of a paragraph or two; a version's text is always the same."""

    def document(self, entries: Sequence[Version]) -> bytes:
        """The feed's body."""
        items = "".join(
            f"<item><title>{version.title}</title><guid>{version.entry}</guid>"
            f"<description>{_text(version)}</description></item>"
            for version in entries
        )
        return f'<?xml version="1.0"?><rss version="2.0"><channel><title>F</title>{items}</channel></rss>'.encode()


def _text(version: Version) -> str:
    origin = version.entry - (version.entry % COPIES == 0)
    chance = random.Random(origin)
    words = [chance.choice(WORDS) for _ in range(chance.randint(35, 90))]
    more = [f"Correction {number} on {chance.choice(WORDS)}." for number in range(2, version.number + 1)]
    return " ".join((*words, f"Report {origin}.", *more))
