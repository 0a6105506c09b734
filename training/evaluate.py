"""The model's figures, through the shipped int8 path: `python -m training.evaluate --data FOLDER`.

FOLDER is the data folder with the archives. Prints exact-span F1 on the held-out entity sets, also in other case and
with other names, topic figures on the held-out texts, how well the embedding tells events apart, and what is found in
the seed article.
"""

import dataclasses
import tempfile
import time
from pathlib import Path

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import Encoder
from newswire.pipeline.analysis.topics import Taxonomy
from training import thresholds
from training import topic_data as topics
from training.archives import unpack
from training.arguments import of_model
from training.embedding_figures import REPORTS, print_embedding, print_translations
from training.entity_figures import Documents, entity_sets, f1_of, print_entities
from training.second_level_figures import print_second_level
from training.topic_figures import print_topics, score


def open_analyzer(folder: Path) -> Analyzer:
    """An analyzer of the model folder that gives every topic its score."""
    encoder = Encoder.load(folder)
    encoder.settings = dataclasses.replace(encoder.settings, thresholds=(0.0,) * len(encoder.settings.topics))
    return Analyzer(encoder, Taxonomy.load(), Concepts.load(folder))


def print_windows(folder: Path, sets: dict[str, Documents], choices: list[str]) -> None:
    """F1 and processor time an article for other window lengths, each "tokens/stride"; only to choose a length.

    Raises ValueError for a window that is longer than the model's own.
    """
    longest = Encoder.load(folder).settings.window
    for choice in choices:
        if int(choice.partition("/")[0]) > longest:
            raise ValueError(f"windows of {choice}: the model's graph reads at most {longest} sub-tokens")
    print("windows (tokens/stride): F1 of each set, processor milliseconds a thousand characters")
    for choice in choices:
        window, _, stride = choice.partition("/")
        encoder = Encoder.load(folder)
        encoder.settings = dataclasses.replace(encoder.settings, window=int(window), stride=int(stride))
        analyzer = Analyzer(encoder, Taxonomy.load(), Concepts.load(folder))
        began = time.process_time()
        figures = [f1_of(analyzer, documents) for documents in sets.values()]
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
    print_entities(analyzer, sets)
    _, sample = thresholds.parts(topics.split(topics.read_all(folder))[1])
    print_topics(score(open_analyzer(model), sample), Encoder.load(model).settings.thresholds)
    print_second_level(model, folder)
    print_embedding(analyzer, folder / REPORTS)
    print_translations(analyzer, folder)
    if choices:
        print_windows(model, sets, choices)
    print_article(analyzer, data / "seed-article.txt")


def main() -> None:
    parser = of_model(__doc__)
    parser.add_argument("--windows", nargs="*", default=[], help="window lengths to compare, such as 112/96 128/112")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        report(arguments.data, arguments.model, unpack(arguments.data, Path(work)), arguments.windows)


if __name__ == "__main__":
    main()
