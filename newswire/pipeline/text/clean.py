"""The texts of one article: which field gives what, and what was cut."""

from dataclasses import dataclass

from newswire.pipeline.settings import TextSettings
from newswire.pipeline.text.html import html_to_line, html_to_text
from newswire.pipeline.text.normalise import cap, own_summary, title_from_text
from newswire.schemas import RawArticle

HTML_FACTOR = 4
"""HTML longer than this many times the cap of its text is cut before it is parsed: markup is rarely more."""


@dataclass(frozen=True, slots=True)
class CleanTexts:
    """Title, text and summary as plain text; `cut` names those of them that are not whole."""

    title: str
    text: str
    summary: str | None
    cut: tuple[str, ...]


def clean_article(article: RawArticle, settings: TextSettings) -> CleanTexts:
    """The texts of an article within the caps of `settings` (code points).

    The content is the text, else the summary is. A missing title is made from the text. text/plain is kept as it
    is, so that offsets hold; everything else is read as HTML.
    """
    cut: set[str] = set()
    plain = article.content_type.split(";", 1)[0].strip().lower() == "text/plain"

    def read(field: str, source: str | None, limit: int, line: bool = False) -> str:
        source = source or ""
        if plain:
            text, over = cap(source, limit)
        else:
            source, over_source = cap(source, limit * HTML_FACTOR)
            text, over = cap(html_to_line(source) if line else html_to_text(source), limit)
            text, over = text.rstrip(), over or over_source
        if over:
            cut.add(field)
        return text

    title = read("title", article.title, settings.title_max, line=True)
    text = read("text", article.content, settings.text_max)
    origin = {"title": "title", "content": "text", "summary": "summary"}
    if text.strip():
        short = read("summary", article.summary, settings.text_max)
        summary = own_summary(short, text)
    else:
        text, summary = read("text", article.summary, settings.text_max), None
        origin["summary"] = "text"
    if not title.strip():
        title = title_from_text(text)
    # A record may claim anything: names of no field would pass on without bound.
    cut |= {origin.get(field, field) for field in article.cut if field in RawArticle.model_fields}
    if summary is None:
        cut.discard("summary")
    return CleanTexts(title, text, summary, tuple(sorted(cut)))
