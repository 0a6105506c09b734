"""Enriched articles as a person wants to read them: a panel each on a terminal, plain paragraphs elsewhere."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from newswire.schemas import EnrichedArticle, Entity, Outcome
from newswire.schemas.common import format_time

ENTITY_NAMES = {"PER": "people", "ORG": "organisations", "LOC": "places", "MISC": "other names"}
_FIRST_CHARACTERS = 280


def group_entities(entities: Iterable[Entity]) -> dict[str, list[str]]:
    """The distinct entity texts by type, types in the order of ENTITY_NAMES, texts as they first appear."""
    groups: dict[str, list[str]] = {kind: [] for kind in ENTITY_NAMES}
    for entity in entities:
        text = " ".join(entity.text.split())
        if text not in groups[entity.type]:
            groups[entity.type].append(text)
    return {kind: texts for kind, texts in groups.items() if texts}


def facts(
    article: EnrichedArticle,
    copies: Sequence[Outcome] = (),
    story: Sequence[EnrichedArticle] = (),
    feed_titles: Mapping[str, str] | None = None,
) -> list[tuple[str, str]]:
    """What is known about an article, as (name, value) in the order of reading.

    `copies` are the outcomes of its recognised copies, `story` all articles of its story, `feed_titles` names feeds
    by their URL.
    """
    titles = feed_titles or {}
    time = article.published_at or article.observed_at
    feed = article.feed.title or article.feed.url
    rows = [
        ("from", f"{feed}, {format_time(time)}"),
        ("language", f"{article.language.code} ({article.language.confidence:.2f})"),
    ]
    topics = ", ".join(f"{topic.name} {topic.score:.2f}" for topic in article.topics)
    rows.append(("topics", topics or "none above the threshold"))
    rows += [(ENTITY_NAMES[kind], ", ".join(texts)) for kind, texts in group_entities(article.entities).items()]
    others = [other for other in story if other.id != article.id]
    rows.append(("story", _story_note(article, others)))
    if article.duplicate.kind == "update":
        rows.append(("update", f"revision {article.revision} of this article; the text has changed"))
    elif article.revision > 1:
        rows.append(("revision", str(article.revision)))
    for copy in copies:
        rows.append(("copy", _copy_note(copy, titles)))
    if article.degraded:
        rows.append(("degraded", article.degraded))
    return rows


def first_lines(text: str, limit: int = _FIRST_CHARACTERS) -> str:
    """The beginning of a text as one paragraph, at most `limit` characters, cut at a word."""
    return textwrap.shorten(text, limit, placeholder=" …")


def print_article(console: Console, article: EnrichedArticle, rows: Sequence[tuple[str, str]]) -> None:
    """Print an article with its facts: a panel on a terminal, lines elsewhere."""
    if console.is_terminal:
        body = Text()
        for name, value in rows:
            body.append(f"{name:>14}  ", style="cyan")
            body.append(value + "\n", style=_style(name))
        body.append("\n" + first_lines(article.text), style="dim")
        title = Text(first_lines(article.title, 100), style="bold")
        console.print(Panel(body, title=title, title_align="left", border_style="blue"))
        return
    # Text of a feed is never markup, and lines are left to whoever shows them.
    console.print(Text(article.title), soft_wrap=True)
    for name, value in rows:
        console.print(Text(f"  {name + ':':<15}{value}"), soft_wrap=True)
    console.print(Text("  " + first_lines(article.text) + "\n"), soft_wrap=True)


def _style(name: str) -> str:
    return "yellow" if name in {"update", "copy", "degraded"} else "default"


def _story_note(article: EnrichedArticle, others: Sequence[EnrichedArticle]) -> str:
    short = article.story.id[:8]
    if not others:
        return f"{short}, alone so far"
    told = "; ".join(f"{other.feed.title or other.feed.url}: {first_lines(other.title, 80)}" for other in others)
    return f"{short}, also told by {told}"


def _copy_note(copy: Outcome, titles: Mapping[str, str]) -> str:
    kind = copy.duplicate.kind if copy.duplicate is not None else "copy"
    alike = copy.duplicate.similarity if copy.duplicate is not None else None
    where = titles.get(copy.feed_url, copy.feed_url or "another feed")
    return f"{kind} in {where}, left out" + (f" (similarity {alike:.2f})" if alike is not None else "")
