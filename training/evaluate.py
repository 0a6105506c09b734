"""The model's figures, through the shipped int8 path: `python -m training.evaluate --data FOLDER`.

FOLDER is the data folder with the archives. Prints exact-span F1 on CoNLL-2003 validation and on the held-out parts of
factRuEval and NER-UK, topic figures on the held-out texts, and what is found in the seed article.
"""

import argparse
import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from newswire.pipeline.analysis.analyze import Analyzer, Taxonomy
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from training import tagging_data as tagging
from training import thresholds
from training import topic_data as topics
from training.archives import unpack

Documents = list[tagging.TaggedDocument]


@dataclasses.dataclass
class Counts:
    """Found, expected and right spans."""

    found: int = 0
    expected: int = 0
    right: int = 0

    def figures(self) -> tuple[float, float, float]:
        """(precision, recall, F1) in per cent."""
        precision = 100.0 * self.right / max(1, self.found)
        recall = 100.0 * self.right / max(1, self.expected)
        return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def entity_counts(analyzer: Analyzer, documents: Iterable[tagging.TaggedDocument]) -> dict[str, Counts]:
    """Counts by type and in all ("all"): a span is right with exactly the expected start, end and type."""
    counts = {kind: Counts() for kind in ("all", "PER", "ORG", "LOC", "MISC")}
    for document in documents:
        found = {(e.start, e.end, str(e.type)) for e in analyzer.analyze("", document.text).entities}
        expected = set(document.spans)
        for name, spans in (("found", found), ("expected", expected), ("right", found & expected)):
            for _, _, kind in spans:
                for key in ("all", kind):
                    setattr(counts[key], name, getattr(counts[key], name) + 1)
    return counts


def entity_sets(folder: Path) -> dict[str, Documents]:
    """The evaluation documents by the name of their set; none of them is trained on."""
    ner = folder / "ner"
    russian, ukrainian = tagging.read_factrueval(ner / "factrueval2016" / "devset"), ner / "ner_uk" / "train.iob"
    return {
        "CoNLL-2003 validation (en)": tagging.read_conll(ner / "conll2003_en" / "val.conllu"),
        "factRuEval held out (ru)": [d for d in russian if tagging.held_out(d.id)],
        "NER-UK held out (uk)": [d for d in tagging.read_ner_uk(ukrainian) if tagging.held_out(d.id)],
    }


def in_case(documents: Documents, change: Callable[[str], str]) -> Documents:
    """The documents in capitals or in small letters; a letter whose other form is longer stays as it is."""
    return [
        dataclasses.replace(one, text="".join(new if len(new := change(c)) == 1 else c for c in one.text))
        for one in documents
    ]


def print_entities(analyzer: Analyzer, sets: dict[str, Documents]) -> None:
    print("entities, exact span and type, per cent")
    for name, documents in sets.items():
        counts = entity_counts(analyzer, documents)
        precision, recall, f1 = counts["all"].figures()
        kinds = " ".join(f"{kind} {counts[kind].figures()[2]:.1f}" for kind in ("PER", "ORG", "LOC", "MISC"))
        print(f"  {name}: {len(documents)} documents, P {precision:.1f} R {recall:.1f} F1 {f1:.1f} ({kinds})")
        changed = (entity_counts(analyzer, in_case(documents, change)) for change in (str.upper, str.lower))
        capitals, small = (counts["all"].figures()[2] for counts in changed)
        print(f"    in capitals F1 {capitals:.1f}, in small letters {small:.1f}")


def all_scores(analyzer: Analyzer, text: str) -> dict[str, float]:
    """Topic scores of a text by id; `analyzer` must have thresholds of zero."""
    title, _, body = text.partition("\n")
    return {topic.id: topic.score for topic in analyzer.analyze(title, body).topics}


def open_analyzer(folder: Path) -> Analyzer:
    """An analyzer of the model folder that gives every topic its score."""
    encoder = Encoder.load(folder)
    encoder.settings = dataclasses.replace(encoder.settings, thresholds=(0.0,) * len(encoder.settings.topics))
    return Analyzer(encoder, Taxonomy.load())


def print_topics(analyzer: Analyzer, texts: list[topics.TopicText], limit: tuple[float, ...]) -> None:
    """Best topic among the listed ones, and what the thresholds let through, by source and by topic."""
    limits = dict(zip(topics.TOPICS, limit, strict=True))
    best: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    counts = {topic: Counts() for topic in topics.TOPICS}
    for text in texts:
        true, unsure = thresholds.listed(text)
        scores = all_scores(analyzer, text.text)
        source = text.id.split("-")[0]
        seen[source] += 1
        best[source] += max(scores, key=lambda topic: scores[topic]) in true
        found = {topic for topic, score in scores.items() if score >= limits[topic]} - unsure
        silent[source] += not any(score >= limits[topic] for topic, score in scores.items())
        for topic in topics.TOPICS:
            counts[topic].found += topic in found
            counts[topic].expected += topic in true
            counts[topic].right += topic in found & true
    print("topics, held-out texts")
    for source, number in sorted(seen.items()):
        right, none = 100 * best[source] / number, 100 * silent[source] / number
        print(f"  {source}: {number} texts, best topic is listed {right:.1f} %, no topic given {none:.1f} %")
    for topic, found_counts in counts.items():
        precision, recall, _ = found_counts.figures()
        print(f"  {topic}: threshold {limits[topic]:.2f}, P {precision:.1f} R {recall:.1f} of {found_counts.expected}")


def print_windows(folder: Path, sets: dict[str, Documents], choices: list[str]) -> None:
    """F1 and processor time an article for other window lengths, each "tokens/stride"; only to choose a length."""
    print("windows (tokens/stride): F1 of each set, processor milliseconds a thousand characters")
    for choice in choices:
        window, _, stride = choice.partition("/")
        encoder = Encoder.load(folder)
        encoder.settings = dataclasses.replace(encoder.settings, window=int(window), stride=int(stride))
        analyzer = Analyzer(encoder, Taxonomy.load())
        began = time.process_time()
        figures = [entity_counts(analyzer, documents)["all"].figures()[2] for documents in sets.values()]
        took = 1000 * (time.process_time() - began)
        characters = sum(len(document.text) for documents in sets.values() for document in documents)
        print(f"  {choice}: {' '.join(f'{f1:.1f}' for f1 in figures)}, {1000 * took / characters:.1f} ms")


def print_article(analyzer: Analyzer, path: Path) -> None:
    """Topics and entities of an article file: its first line is the title."""
    title, _, text = path.read_text(encoding="utf-8").partition("\n")
    analysis = analyzer.analyze(title, text)
    print(f"article {path.name}")
    for topic in analysis.topics:
        print(f"  {topic.id} {topic.name} {topic.score}")
    for entity in analysis.entities:
        print(f"  {entity.type} {entity.text!r} {entity.field} {entity.start}-{entity.end} {entity.score}")


def report(data: Path, model: Path, folder: Path, choices: list[str]) -> None:
    """Print every figure for a model folder; `folder` is the unpacked data, `choices` window lengths to compare."""
    analyzer = Analyzer.load(model)
    sets = entity_sets(folder)
    _, sample = thresholds.parts(topics.split(topics.read_all(folder))[1])
    steps: list[Callable[[], None]] = [
        lambda: print_entities(analyzer, sets),
        lambda: print_topics(open_analyzer(model), sample, Encoder.load(model).settings.thresholds),
        lambda: print_windows(model, sets, choices),
        lambda: print_article(analyzer, data / "seed-article.txt"),
    ]
    for step in steps:
        step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the archives")
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER, help="model folder")
    parser.add_argument("--windows", nargs="*", default=[], help="window lengths to compare, such as 128/96 256/192")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        report(arguments.data, arguments.model, unpack(arguments.data, Path(work)), arguments.windows)


if __name__ == "__main__":
    main()
