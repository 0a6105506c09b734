"""`newswire explain`: why two articles are copies of one another or not, and of one story or not."""

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click
import orjson

from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.cli.connected import run_connected
from newswire.pipeline.duplicates.decide import REPLACED_NAMES, REPLACED_NUMBERS, WORDS_MIN
from newswire.pipeline.explain.read import Kept, read_articles
from newswire.pipeline.explain.stories import StoryFit, fit_of
from newswire.pipeline.explain.texts import TextComparison, compare_texts, shared_spans
from newswire.pipeline.settings import CopyRules, Settings
from newswire.schemas import Duplicate
from newswire.schemas.common import format_time

BEGIN, END = "\u27e6", "\u27e7"
"""Around what is shared, where there are no colours."""


@click.command(name="explain")
@click.argument("first")
@click.argument("second")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_settings
def command(settings: Settings, first: str, second: str, form: str) -> None:
    """Say why the articles with the ids FIRST and SECOND are or are not copies, an update, or of one story.

    The newest revision of each is compared, the one that came later in the wire with the earlier one, as if there had
    been no other. The later one's text is printed with what both share between \u27e6 and \u27e7.
    """
    if first == second:
        raise click.UsageError("the two ids are the same")
    kept = run_connected(
        settings, lambda at: read_articles(at.bootstrap_servers, at.options, settings.namespace, (first, second))
    )
    for id in (first, second):
        if id not in kept:
            raise click.ClickException(f"no text of an article {id!r} is kept")
    old, new = sorted((kept[first], kept[second]), key=lambda one: one.prepared.position)
    rules = settings.deduplicate.rules_for(new.prepared.feed.url)
    texts = compare_texts(new.prepared, old.prepared, rules)
    fit = None
    if old.analyzed is not None and new.analyzed is not None:
        fit = fit_of(new.analyzed, old.analyzed, settings.cluster.window_seconds)
    if form == "json":
        click.echo(orjson.dumps(_as_object(old, new, texts, fit, settings, rules)).decode())
        return
    lines = [*_told("earlier", old), *_told("later", new), "", *_texts(texts, rules), ""]
    lines += [*_stories(old, new, fit, settings.cluster.similarity_min), "", *_marked(old, new)]
    click.echo("\n".join(lines))


def _told(which: str, one: Kept) -> Iterable[str]:
    article = one.prepared
    yield f"{which:<8} {format_time(article.observed_at)}  {article.title or '(no title)'}"
    yield f"{'':<8} {article.id}  revision {article.revision}  {article.feed.title or article.feed.url}"
    ended = "in flight" if one.outcome is None else one.outcome.outcome
    yield f"{'':<8} {ended}; {_named(_duplicate_of(one))}"


def _duplicate_of(one: Kept) -> Duplicate:
    if one.enriched is not None:
        return one.enriched.duplicate
    return (one.outcome.duplicate if one.outcome is not None else None) or Duplicate()


def _named(duplicate: Duplicate) -> str:
    return "repeats nothing" if duplicate.kind == "none" else f"{duplicate.kind} of {duplicate.of}"


def _texts(texts: TextComparison, rules: CopyRules) -> Iterable[str]:
    kind = "no copy and no update" if texts.verdict.kind == "none" else texts.verdict.kind
    yield f"text     {kind} of the earlier one, if it had been the only one"
    if texts.overlap is None or texts.numbers is None or texts.names is None:
        yield f"         one of them is under {WORDS_MIN} words: title and text are the same or they are not"
        return
    jaccard, of_new, of_old, _ = texts.overlap
    yield f"         similarity {jaccard:.4f}, a near copy from {rules.similarity_min:g}"
    yield f"         {of_new:.4f} of the later one in the earlier, a cut copy from {rules.containment_min:g}"
    yield f"         {of_old:.4f} of the earlier one in the later, an update from {rules.containment_min:g}"
    yield f"         replaced numbers {texts.numbers:.4f}, other news from {REPLACED_NUMBERS:g}"
    yield f"         replaced names {texts.names:.4f}, other news from {REPLACED_NAMES:g}"


def _stories(old: Kept, new: Kept, fit: StoryFit | None, enough: float) -> Iterable[str]:
    stories = [one.enriched.story.id if one.enriched is not None else None for one in (old, new)]
    if None in stories:
        yield "story    a copy that is left out has none" if fit is None else "story    not in one yet"
        return
    yield f"story    {'both in ' + str(stories[0]) if stories[0] == stories[1] else f'{stories[0]} and {stories[1]}'}"
    if fit is None:
        yield "         their analyses are not kept any more"
        return
    cosines = (("words", fit.words), ("names", fit.names), ("embedding", fit.embedding))
    told = [f"{name} {value:.4f}" for name, value in cosines if value is not None]
    yield f"         {', '.join(told) if told else 'nothing in common by which a story is looked for'}"
    if fit.score is not None:
        yield f"         score {fit.score:.4f} in a story of the earlier one alone, joins from {enough:g}"


def _marked(old: Kept, new: Kept) -> Iterable[str]:
    text, parts, at = new.prepared.text, [], 0
    begin, end = ("\x1b[7m", "\x1b[0m") if sys.stdout.isatty() else (BEGIN, END)
    for start, stop in shared_spans(text, old.prepared.text):
        parts += [text[at:start], begin, text[start:stop], end]
        at = stop
    yield "".join([*parts, text[at:]])


def _as_object(
    old: Kept, new: Kept, texts: TextComparison, fit: StoryFit | None, settings: Settings, rules: CopyRules
) -> dict[str, Any]:
    return {
        "earlier": _side(old),
        "later": _side(new),
        "text": {
            "kind": texts.verdict.kind,
            "overlap": texts.overlap._asdict() if texts.overlap is not None else None,
            "numbers": texts.numbers,
            "names": texts.names,
            "similarity_min": rules.similarity_min,
            "containment_min": rules.containment_min,
        },
        "story": {**(asdict(fit) if fit is not None else {}), "similarity_min": settings.cluster.similarity_min},
        "shared": shared_spans(new.prepared.text, old.prepared.text),
    }


def _side(one: Kept) -> dict[str, Any]:
    return {
        "id": one.prepared.id,
        "revision": one.prepared.revision,
        "outcome": one.outcome.outcome if one.outcome is not None else None,
        "duplicate": _duplicate_of(one).model_dump(),
        "story": one.enriched.story.id if one.enriched is not None else None,
    }
