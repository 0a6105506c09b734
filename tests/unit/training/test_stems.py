"""The shipped list of stems is what its command makes (with wordfreq, which only training has)."""

from newswire.pipeline.stories.background import news_background
from tests.torch_installed import with_torch


@with_torch
def test_what_one_language_gives_is_in_the_list() -> None:
    from training.stems import LEAST, article_counts

    counts, shipped = article_counts(["uk"]), news_background().having
    assert min(counts.values()) == LEAST
    assert all(shipped[stem] >= count for stem, count in counts.items())
    own = [stem for stem, count in counts.items() if shipped[stem] == count and "і" in stem]
    assert len(own) > 1_000
