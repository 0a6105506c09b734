"""How well online stories match events: B-cubed F1 over a file of documents, in stated random orders.

`python -m bench.stories FILE [--encoder | --embeddings FILE.npy] [--orders 1 2 ...]`. FILE has a JSON object a line:
`doc`, `event` (the true cluster) and `sentences` (ECB+; the first sentence that is no address is the title).
`--encoder` takes named things and embeddings from the shipped encoder, so that the figure is the product's. Without it
named things are capitalised words, and `--embeddings` is a float array, a row a document, mean-centred here.
"""

import argparse
import dataclasses
import json
import random
import re
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, report
from newswire.pipeline.analysis import Analyzer
from newswire.pipeline.enrich import MemoryState
from newswire.pipeline.settings import Settings, load_settings
from newswire.pipeline.step import Source
from newswire.pipeline.stories.step import ClusterStep
from newswire.schemas import AnalyzedArticle, EnrichedArticle, Entity, Feed, Language, Story

START = datetime(2026, 1, 1, tzinfo=UTC)
CAPITALISED = re.compile(r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*")


def article_of(document: dict[str, object], embedding: NDArray[np.float64] | None) -> AnalyzedArticle:
    """One document as the analyzed article of its feed; sequence and time are set when it is played."""
    sentences = [text for text in document["sentences"] if not text.startswith("http")]  # type: ignore[attr-defined]
    title, text = sentences[0], "\n\n".join(sentences[1:])
    # a sentence's first word is capitalised anyway, so that it is taken only when more follow
    named = [m.group() for m in CAPITALISED.finditer(text) if m.start() > 2 and text[m.start() - 2] not in ".?!`"]
    entities = [Entity(text=name, type="MISC", field="text", start=0, end=1, score=1.0) for name in named]
    vector = None
    if embedding is not None:
        vector = b64encode(np.rint(embedding * 127).astype(np.int8).tobytes()).decode()
    return AnalyzedArticle(
        position=0,
        id=str(document["doc"]),
        revision=1,
        feed=Feed(url="bench"),
        title=title,
        text=text,
        language=Language(code="en", confidence=1.0),
        observed_at=START,
        content_hash="",
        sequence=1,
        entities=tuple(entities),
        embedding=vector,
        model="bench",
        taxonomy="bench",
    )


def encoded(articles: Sequence[AnalyzedArticle]) -> list[AnalyzedArticle]:
    """The same articles with what the shipped encoder finds in them."""
    analyzer = Analyzer.load()
    done = []
    for article in articles:
        analysis = analyzer.analyze(article.title, article.text)
        found = tuple(Entity(**dataclasses.asdict(entity)) for entity in analysis.entities)
        vector = b64encode(analysis.embedding).decode()
        done.append(article.model_copy(update={"entities": found, "embedding": vector}))
    return done


def play(articles: Sequence[AnalyzedArticle], settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Each article's story as it was emitted, and where stories went on; the articles in this order a minute apart."""
    state = MemoryState()
    step = ClusterStep(settings, state)
    stories, went = {}, {}
    for number, article in enumerate(articles, start=1):
        moment = START + timedelta(minutes=number)
        numbered = article.model_copy(update={"sequence": number, "observed_at": moment})
        for result in step.process(Source("analyzed", 0, number, None, numbered.encode(), 0), state):
            for sent in result.emissions:
                if sent.topic == "enriched":
                    enriched = EnrichedArticle.decode(sent.value)
                    stories[enriched.id] = enriched.story.id
                elif sent.topic == "stories" and (into := Story.decode(sent.value).merged_into) is not None:
                    went[sent.key.decode()] = into
    return stories, went


def after_merges(found: dict[str, str], went: dict[str, str]) -> dict[str, str]:
    """Each article's story in the end."""
    ended = dict(found)
    while moved := {doc: went[story] for doc, story in ended.items() if story in went}:
        ended |= moved
    return ended


def b_cubed(found: dict[str, str], true: dict[str, str]) -> tuple[float, float, float]:
    """Precision, recall and F1 by element (Bagga and Baldwin 1998)."""
    both = Counter((found[doc], true[doc]) for doc in found)
    of_found, of_true = Counter(found.values()), Counter(true[doc] for doc in found)
    precision = sum(n * n / of_found[cluster] for (cluster, _), n in both.items()) / len(found)
    recall = sum(n * n / of_true[event] for (_, event), n in both.items()) / len(found)
    return precision, recall, 2 * precision * recall / (precision + recall)


def load(file: Path, embeddings: Path | None) -> tuple[list[AnalyzedArticle], dict[str, str]]:
    """The articles and each one's event."""
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    vectors: list[NDArray[np.float64] | None] = [None] * len(documents)
    if embeddings is not None:
        rows = np.load(embeddings).astype(np.float64)
        rows -= rows.mean(0)
        vectors = list(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    articles = [article_of(document, vector) for document, vector in zip(documents, vectors, strict=True)]
    return articles, {document["doc"]: document["event"] for document in documents}


def main() -> None:
    """Print precision, recall, F1 and the number of stories for each order, then mean and worst."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--encoder", action="store_true")
    parser.add_argument("--merge-min", type=float, help="in place of the setting")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--orders", type=int, nargs="+", default=range(1, 13))
    arguments = parser.parse_args()
    articles, true = load(arguments.file, arguments.embeddings)
    if arguments.encoder:
        articles = encoded(articles)
    settings, figures = Settings(), []
    if arguments.merge_min is not None:
        settings = load_settings(cluster={"merge_min": arguments.merge_min})
    for seed in arguments.orders:
        order = random.Random(seed).sample(articles, len(articles))
        began = time.perf_counter()
        found, went = play(order, settings)
        precision, recall, f1 = b_cubed(found, true)
        figures.append(f1)
        speed = len(order) / (time.perf_counter() - began)
        stories = len(set(found.values()))
        print(f"order {seed}: P {precision:.3f} R {recall:.3f} F1 {f1:.3f}, {stories} stories, {speed:.0f} articles/s")
        if went:
            print(f"  {len(went)} of the stories merged: F1 {b_cubed(after_merges(found, went), true)[2]:.3f}")
    events = len(set(true.values()))
    name = f"stories of {len(articles)} documents about {events} events, B-cubed F1"
    both = (("mean", float(np.mean(figures)), ">= 88"), ("worst", min(figures), ">= 87"))
    report([Figure(f"{name}, {what} order", 100 * f1, "%", goal=goal) for what, f1, goal in both], arguments.out)


if __name__ == "__main__":
    main()
