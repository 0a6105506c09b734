"""What the demo prints at the end: chosen articles, what there was to see, and the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from newswire.pipeline.demo.choice import choose, copies_of, stories_of
from newswire.pipeline.demo.present import facts, print_article
from newswire.pipeline.demo.site import FeedSite
from newswire.pipeline.demo.view import TABLE_STYLE
from newswire.pipeline.ledger.balance import OUTCOMES, Ledger
from newswire.schemas import EnrichedArticle, Outcome


def print_report(
    console: Console,
    namespace: str,
    site: FeedSite,
    articles: Sequence[EnrichedArticle],
    outcomes: Sequence[Outcome],
    ledger: Ledger,
) -> None:
    """Print the end of the demo."""
    titles = {site.url(feed): feed.title for feed in site.feeds}
    copies, stories = copies_of(outcomes), stories_of(articles)
    chosen = choose(articles, copies)
    _heading(console, f"{len(chosen)} of {len({article.id for article in articles})} enriched articles")
    for article in chosen:
        story = stories.get(article.story.id, ())
        print_article(console, article, facts(article, copies.get(article.id, ()), story, titles))
    _heading(console, "What there was to see")
    for line in sights(site, articles, outcomes):
        console.print(Text(f"  {line}"), soft_wrap=True)
    _heading(console, f"The ledger of {namespace}: {'it balances' if ledger.balanced else 'IT DOES NOT BALANCE'}")
    console.print(ledger_table(ledger, titles))
    for fault in ledger.faults:
        console.print(Text(f"  {fault}", style="red"), soft_wrap=True)
    console.print(Text("\nThe wire stays on the broker. Look at it again:"))
    for command in ("subscribe --from earliest --idle 5", "dead list", "ledger"):
        console.print(Text(f"  newswire {command} --namespace {namespace}"), soft_wrap=True)


def sights(site: FeedSite, articles: Sequence[EnrichedArticle], outcomes: Sequence[Outcome]) -> list[str]:
    """What the demo was built to show, as counted, a line each."""
    ended = Counter(outcome.outcome for outcome in outcomes)
    kinds = Counter(
        outcome.duplicate.kind for outcome in outcomes if outcome.outcome == "duplicate" and outcome.duplicate
    )
    languages = sorted({article.language.code for article in articles})
    broken = ", ".join(feed.title for feed in site.feeds if feed.broken)
    return [
        f"feeds: {len(site.feeds)}, polled {sum(site.answers.values())} times, {site.answered(304)} answers were 304",
        f"no feed at all: {broken}; the others did not notice",
        f"languages: {', '.join(languages)}",
        f"copies of one agency text: {ended['duplicate']} left out"
        + (f" ({', '.join(f'{number} {kind}' for kind, number in sorted(kinds.items()))})" if kinds else ""),
        f"stories told by several feeds: {len(stories_of(articles))}",
        f"articles that came again with other numbers: {ended['updated']}",
        f"records that no stage can do: {ended['dead']}, kept as dead letters",
    ]


def ledger_table(ledger: Ledger, titles: Mapping[str, str]) -> Table:
    """The ledger with a row a feed (named by `titles`, by its URL) and the sum."""
    table = Table(show_footer=True, **TABLE_STYLE)
    total = ledger.total
    table.add_column("feed", footer="all")
    table.add_column("collected", justify="right", footer=str(total.collected))
    for kind in OUTCOMES:
        table.add_column(kind, justify="right", footer=str(total.outcomes.get(kind, 0)))
    table.add_column("in flight", justify="right", footer=str(total.under_way))
    for row in ledger.feeds:
        name = titles.get(row.feed or "", row.feed) or "(not readable)"
        ends = (str(row.outcomes.get(kind, 0)) for kind in OUTCOMES)
        table.add_row(Text(name), str(row.collected), *ends, str(row.under_way))
    return table


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}\n", style="bold"), soft_wrap=True)
