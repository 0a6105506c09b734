"""`newswire stories`: the stories of the wire as a reader wants them, and the articles of one."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import click

from newswire.pipeline.cli.common import with_settings
from newswire.pipeline.cli.connected import run_connected
from newswire.pipeline.cli.subscribe import MomentType
from newswire.pipeline.settings import Settings
from newswire.pipeline.subscribe.stories import Members, read_members, read_stories
from newswire.schemas import Duplicate, EnrichedArticle, Outcome, Story
from newswire.schemas.common import format_time

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
ENTITIES_SHOWN = 8
FEEDS_SHOWN = 5


class SinceType(MomentType):
    """A time, or how long ago: 90m, 24h, 7d."""

    name = "time|24h"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, or a usage error."""
        ago = re.fullmatch(r"(\d{1,6})([mhd])", str(value))
        if ago is None:
            return super().convert(value, param, ctx)
        try:
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        except OverflowError:
            self.fail(f"{value!r} is before all time", param, ctx)


@click.group(name="stories", invoke_without_command=True)
@click.option("--since", type=SinceType(), help="Only stories with an article then or later: 24h, 7d or a time.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_settings
@click.pass_context
def command(context: click.Context, settings: Settings, since: datetime | None, limit: int | None, form: str) -> None:
    """The stories of the wire, the one with the newest article first.

    `json` is an object a line: the story's record.
    """
    if context.invoked_subcommand is not None:
        # `stories --config FILE show ID` means the same as `stories show ID --config FILE`.
        given = {name: context.params[name] for name in ("config", "namespace") if context.params[name] is not None}
        context.default_map = {context.invoked_subcommand: given}
        return
    found = run_connected(settings, lambda at: read_stories(at.bootstrap_servers, at.options, settings.namespace))
    chosen = [story for story in found if since is None or story.last >= since][:limit]
    for story in chosen:
        click.echo(story.encode().decode() if form == "json" else "\n".join(_summary(story)) + "\n")
    if not chosen and form == "text":
        click.echo(f"none of {len(found)} stories is so new" if found else "there are no stories yet")


@command.command()
@click.argument("id")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@with_settings
def show(settings: Settings, id: str, form: str) -> None:
    """The articles of the story ID in the order of the wire: what each repeats or updates, and its copies.

    Those of stories that were found to be the same event, and went on in this one, are among them.

    `json` is an object a line: the records of `enriched`, then the outcomes of the copies.
    """
    members = run_connected(settings, lambda at: read_members(at.bootstrap_servers, at.options, settings.namespace, id))
    if not members.articles:
        raise click.ClickException(f"no article of a story {id!r} is kept (newswire stories)")
    if form == "json":
        lines: Iterable[str] = (record.encode().decode() for record in (*members.articles, *members.copies))
    else:
        lines = _told(members)
    for line in lines:
        click.echo(line)


def _summary(story: Story) -> Iterable[str]:
    articles = "1 article" if story.size == 1 else f"{story.size} articles"
    feeds = "1 feed" if len(story.feeds) == 1 else f"{len(story.feeds)} feeds"
    yield story.title or "(no title)"
    yield f"  {story.id}  {articles} of {feeds}  {'/'.join(story.languages)}"
    yield f"  when:    {format_time(story.first)} to {format_time(story.last)}"
    yield f"  feeds:   {_some(story.feeds, FEEDS_SHOWN)}"
    if story.entities:
        names = [f"{entity.text} ({entity.articles})" for entity in story.entities]
        yield f"  names:   {_some(names, ENTITIES_SHOWN)}"
    if story.topics:
        yield f"  topics:  {', '.join(story.topics)}"


def _told(members: Members) -> Iterable[str]:
    if members.merged_into is not None:
        yield f"goes on in {members.merged_into}"
    for article in members.articles:
        yield from _member(article)
        if article.revision == max(one.revision for one in members.articles if one.id == article.id):
            for copy in members.copies:
                if copy.duplicate is not None and copy.duplicate.of == article.id:
                    yield _copy(copy, copy.duplicate)


def _member(article: EnrichedArticle) -> Iterable[str]:
    state = "" if article.revision == 1 else f"  revision {article.revision}"
    yield f"{article.sequence:>8}  {format_time(article.observed_at)}  {article.title or '(no title)'}"
    yield f"{'':>8}  {article.id}{state}  {article.feed.title or article.feed.url}"
    yield f"{'':>8}  {_kind(article.duplicate)}{'; opened the story' if article.story.new else ''}"


def _copy(outcome: Outcome, duplicate: Duplicate) -> str:
    when = format_time(outcome.observed_at) if outcome.observed_at else "-"
    return f"{'copy':>8}  {when}  {outcome.id or '-'}  {outcome.feed_url or '-'}: {_kind(duplicate)}"


def _kind(duplicate: Duplicate) -> str:
    if duplicate.kind == "none":
        return "repeats nothing"
    evidence = {"similarity": duplicate.similarity, "containment": duplicate.containment, "shared": duplicate.shared}
    told = "".join(f", {name} {value}" for name, value in evidence.items() if value is not None)
    return f"{duplicate.kind} of {duplicate.of}{told}"


def _some(values: Iterable[str], most: int) -> str:
    every = list(values)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
