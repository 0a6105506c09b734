"""How well copies are told from other news: precision and recall over texts of which copies and look-alikes are made.

`python -m bench.copies FOLDER [--seed N] [--out FILE] [--show N]`. FOLDER holds plain texts, *.txt at any depth, the
first line of each its headline. From some of them copies are made as agencies' customers do it: cut at the end,
another headline, a byline and an agency's line, paragraphs in another order, single words or whole sentences edited.
Look-alikes are what must not be merged: market reports of one template with other facts, daily columns and weather
reports that share their frame, and the plain texts themselves. Texts of the folder that have much in common are not
among those; the ones that repeat each other word by word have to be found. All come in a random order within a day.
"""

import argparse
import itertools
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.articles import NOUNS
from bench.figures import Figure, report
from newswire.pipeline.duplicates import DeduplicateStep
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import Settings
from newswire.pipeline.step import Source
from newswire.schemas import Duplicate, Feed, Language, Outcome, PreparedArticle, UniqueArticle

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS_MIN = 60
"""Texts of fewer words are no originals of copies: a cut of one says little."""
APART = 0.2
COPIED = 600
TEMPLATED = 400
COLUMNS = 200


@dataclass(frozen=True)
class Item:
    """A text of the wire: `origin` tells which texts are one another's copies, `kind` how it was made."""

    origin: str
    kind: str
    title: str
    text: str


Edit = Callable[[str, random.Random], str]


def main() -> int:
    """Print the figures of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--show", type=int, default=0, help="print so many wrong decisions")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    plain = read_texts(options.folder)
    if not plain:
        print(f"{options.folder}: no *.txt in it", file=sys.stderr)
        return 1
    figures = [*of_the_folder(plain, options.show), *of_copies(plain, chance, options.show)]
    report(figures, options.out)
    return 0


def read_texts(folder: Path) -> list[Item]:
    """The texts of a folder; those of the same words have one origin."""
    items = []
    for path in sorted(folder.rglob("*.txt")):
        head, _, text = path.read_bytes().decode("utf-8", errors="replace").strip().partition("\n")
        text = text.strip()
        items.append(Item(" ".join(re.findall(r"\w+", text.casefold())), "plain", head.strip(), text))
    return items


def of_the_folder(plain: Sequence[Item], show: int) -> Iterator[Figure]:
    """What is found in the texts as they are: copies of the same words, and what else."""
    decided = list(zip(plain, decide_all(plain), strict=True))
    repeated = len(plain) - len({item.origin for item in plain})
    exact = sum(verdict.kind == "exact" for _, verdict in decided)
    others = [(item, verdict) for item, verdict in decided if verdict.kind not in ("none", "exact")]
    yield Figure("texts that are repeated word by word", exact, "found", f"the {repeated} there are", exact / repeated)
    share = 100 * len(others) / len(plain)
    told = ", ".join(f"{kind} {number}" for kind, number in Counter(v.kind for _, v in others).most_common())
    yield Figure(f"other texts called copies or updates ({told or 'none'})", share, "% of all", goal="<= 1 unexplained")
    for item, verdict in others[:show]:
        print(
            f"{verdict.kind} {verdict.similarity} {verdict.containment}: {item.title!r} of {int(verdict.of or '0', 16)}"
        )


def of_copies(plain: Sequence[Item], chance: random.Random, show: int) -> Iterator[Figure]:
    """Precision and recall over originals, copies and look-alikes, and the recall of each kind of copy."""
    unique = _apart(list({item.origin: item for item in plain}.values()))
    originals = chance.sample([item for item in unique if len(item.text.split()) >= WORDS_MIN], COPIED)
    chosen = {item.origin for item in originals}
    wire = [item for item in unique if item.origin not in chosen]
    wire += [*templated(chance), *columns(chance), *weather(chance)]
    chance.shuffle(wire)
    places = [(chance.random(), item) for item in wire]
    for item in originals:
        at = chance.random()
        places.append((at, item))
        for name, edit in chance.sample(sorted(EDITS.items()), 3):
            text = edit(item.text, chance)
            title = item.title if chance.random() < 0.3 else chance.choice(unique).title
            places.append((at + (1 - at) * chance.random(), Item(item.origin, name, title, text)))
    places.sort(key=lambda place: place[0])
    ordered = [item for _, item in places]
    found: dict[str, list[bool]] = defaultdict(list)
    right = wrong = 0
    for item, verdict in zip(ordered, decide_all(ordered), strict=True):
        called = verdict.kind != "none"
        true = called and ordered[int(verdict.of or "0", 16)].origin == item.origin
        if item.kind in EDITS:
            found[item.kind].append(true)
        right += true
        wrong += called and not true
        if show and (called != true or (item.kind in EDITS and not called)):
            show -= 1
            print(f"{item.kind}: {verdict.kind} {verdict.similarity} {verdict.containment} {item.title!r}")
    copies = sum(map(len, found.values()))
    yield Figure("copies: precision", 100 * right / max(1, right + wrong), f"% of {right + wrong}", goal=">= 99.5")
    yield Figure("copies: recall", 100 * sum(map(sum, found.values())) / copies, f"% of {copies}", goal=">= 97")
    for kind, hits in sorted(found.items()):
        yield Figure(f"copies, {kind}: recall", 100 * sum(hits) / len(hits), f"% of {len(hits)}")


def _apart(items: list[Item]) -> list[Item]:
    """Those of which no other text has APART of the five-word runs: what agencies' texts have in common is no error."""
    words = [item.origin.split() for item in items]
    runs = [{tuple(one[at : at + 5]) for at in range(len(one) - 4)} for one in words]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, own in enumerate(runs):
        for run in own:
            holders[run].append(number)
    shared = Counter(pair for held in holders.values() for pair in itertools.combinations(held, 2))
    near = {n for (a, b), count in shared.items() if count >= APART * min(len(runs[a]), len(runs[b])) for n in (a, b)}
    return [item for number, item in enumerate(items) if number not in near]


def decide_all(items: Sequence[Item]) -> Iterator[Duplicate]:
    """What the stage makes of each text, one after the other."""
    settings, state = Settings(), MemoryState()
    step = DeduplicateStep(settings, state)
    for number, item in enumerate(items):
        article = PreparedArticle(
            position=number,
            id=f"{number:032x}",
            revision=1,
            feed=Feed(url=f"https://feed-{number % 50}.example/rss"),
            url=f"https://site.example/{number}",
            title=item.title,
            text=item.text,
            language=Language(code="en", confidence=1.0),
            observed_at=START + timedelta(seconds=number * 86_400 / len(items)),
            content_hash="0" * 32,
        )
        (sent,) = step.process(Source("prepared", 0, number, None, article.encode(), 0), state).emissions
        if sent.topic == "unique":
            yield UniqueArticle.decode(sent.value).duplicate
        else:
            yield Outcome.decode(sent.value).duplicate or Duplicate()


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text)


def _cut(text: str, chance: random.Random) -> str:
    words = text.split(" ")
    return " ".join(words[: max(WORDS_MIN // 2, int(len(words) * chance.uniform(0.3, 0.95)))])


def _same(text: str, chance: random.Random) -> str:
    return text


def _byline(text: str, chance: random.Random) -> str:
    place = chance.choice(("LONDON", "PARIS", "BERLIN"))
    signed = chance.choice((" Reporting by Ann Lee; editing by Tom Fry.", "\n\nRead more on our site.", ""))
    return f"{place} (Agency) - {text}{signed}"


def _reordered(text: str, chance: random.Random) -> str:
    parts = [part for part in re.split(r"\n\s*\n|\n", text) if part.strip()]
    chance.shuffle(parts)
    return "\n\n".join(parts)


def _words_edited(share: float) -> Edit:
    def edit(text: str, chance: random.Random) -> str:
        words = text.split(" ")
        for place in chance.sample(range(len(words)), int(share * len(words))):
            words[place] = chance.choice(("said", "also", "new", "the", "and", "their", "very", "many"))
        return " ".join(words)

    return edit


def _sentences_edited(share: float) -> Edit:
    def edit(text: str, chance: random.Random) -> str:
        sentences = _sentences(text)
        for place in chance.sample(range(len(sentences)), max(1, round(share * len(sentences)))):
            words = sentences[place].lower().split()
            chance.shuffle(words)
            sentences[place] = " ".join(words).capitalize() + "."
        return " ".join(sentences)

    return edit


EDITS: dict[str, Edit] = {
    "another headline": _same,
    "cut to 30 to 95 %": _cut,
    "byline and agency's line": _byline,
    "paragraphs in another order": _reordered,
    "5 % of the words": _words_edited(0.05),
    "10 % of the sentences": _sentences_edited(0.1),
    "20 % of the sentences": _sentences_edited(0.2),
    "30 % of the sentences": _sentences_edited(0.3),
}


def templated(chance: random.Random) -> Iterator[Item]:
    """Market reports of one template, each with other facts."""
    names = ("Acme Steel", "Borealis Foods", "Corvus Air", "Delphi Bank", "Elbe Motors", "Fjord Energy", "Gull Media")
    for number in range(TEMPLATED):
        name, verb = chance.choice(names), chance.choice(("fell", "rose", "slipped", "gained"))
        title = f"Shares of {name} {verb} {chance.randint(1, 19)} %"
        day = chance.choice(("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"))
        text = (
            f"Shares of {name} {verb} {chance.randint(1, 19)}.{chance.randint(0, 9)} % on {day} after the company "
            f"reported quarterly earnings of {chance.randint(20, 900)} million euros. Analysts had expected "
            f"{chance.randint(20, 900)} million. The stock has lost ground since the beginning of the year, while the "
            f"broader market index gained over the same period. The company employs {chance.randint(2, 90)} thousand "
            f"people in {chance.randint(3, 60)} countries and makes most of its turnover abroad. It did not comment on "
            "its plans for the rest of the year."
        )
        yield Item(f"template {number}", "template", title, text)


def columns(chance: random.Random) -> Iterator[Item]:
    """A morning column: the same frame each day, two thirds of it, around other items."""
    for number in range(COLUMNS):
        items = [
            f"{chance.choice(NOUNS).capitalize()} {chance.choice(('opens', 'closes', 'waits'))} after "
            f"{chance.choice(NOUNS)} {chance.choice(NOUNS)} dispute."
            for _ in range(4)
        ]
        text = (
            "Good morning and welcome to our daily briefing, the news that you need before you leave the house. "
            f"We begin with the headlines, then the weather and the roads. {' '.join(items)} That is all for today. "
            "Send us your tips and photographs, and follow us wherever you read the news. Subscribe to our newsletter "
            "to get this briefing every day at six."
        )
        yield Item(f"column {number}", "column", "Morning briefing", text)


def weather(chance: random.Random) -> Iterator[Item]:
    """A weather report: the same sentences each day with other words and numbers in them."""
    skies = ("sunny", "cloudy", "wet", "dry", "windy")
    for number in range(COLUMNS):
        wind, morning = chance.choice(("west", "east", "north", "south")), chance.choice(("bright", "grey", "with fog"))
        text = (
            f"It will be {chance.choice(skies)} in the north and {chance.choice(skies)} in the south with highs of "
            f"{chance.randint(2, 30)} degrees. The wind comes from the {wind} and reaches {chance.randint(5, 80)} "
            f"kilometres an hour. At night temperatures fall to {chance.randint(-8, 15)} degrees. Tomorrow starts "
            f"{morning} and the weekend looks much the same, the weather service said."
        )
        yield Item(f"weather {number}", "weather", "The weather", text)


if __name__ == "__main__":
    sys.exit(main())
