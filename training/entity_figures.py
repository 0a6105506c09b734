"""Entity figures of a model through the shipped path: the held-out sets, and the same texts written otherwise."""

import dataclasses
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from newswire.pipeline.analysis.analyze import Analyzer
from training import tagging_data as tagging
from training.variants import Names, capitals, small, titled

Documents = list[tagging.TaggedDocument]
TYPES = ("PER", "ORG", "LOC", "MISC")
_SEED = 2026


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
    counts = {kind: Counts() for kind in ("all", *TYPES)}
    for document in documents:
        found = {(e.start, e.end, str(e.type)) for e in analyzer.analyze("", document.text).entities}
        expected = set(document.spans)
        for name, spans in (("found", found), ("expected", expected), ("right", found & expected)):
            for _, _, kind in spans:
                for key in ("all", kind):
                    setattr(counts[key], name, getattr(counts[key], name) + 1)
    return counts


def entity_sets(folder: Path) -> dict[str, Documents]:
    """The evaluation documents by the name of their set, from the unpacked data; none of them is trained on."""
    ner = folder / "ner"
    sets = {
        "CoNLL-2003 validation (en)": tagging.read_conll(ner / "conll2003_en" / "val.conllu"),
        "factRuEval held out (ru)": tagging.read_factrueval(ner / "factrueval2016" / "devset"),
        "NER-UK held out (uk)": tagging.read_ner_uk(ner / "ner_uk" / "train.iob"),
    }
    silver = tagging.read_wikineural(ner / "wikineural")
    for language in sorted({document.language for document in silver}):
        sets[f"WikiNEuRal held out ({language})"] = [one for one in silver if one.language == language]
    return {
        name: [one for one in documents if "held out" not in name or tagging.held_out(one.id)]
        for name, documents in sets.items()
    }


def rewritten(documents: Documents, change: Callable[[str], str]) -> Documents:
    """The documents with their texts in another case."""
    return [dataclasses.replace(one, text=change(one.text)) for one in documents]


def headlines(documents: Documents) -> Documents:
    """The first line of each document alone, with its spans."""
    first = []
    for one in documents:
        line = one.text.split("\n")[0]
        spans = tuple(span for span in one.spans if span[1] <= len(line))
        first.append(dataclasses.replace(one, text=line, spans=spans))
    return first


def transliterated(documents: Documents, others: Documents) -> Documents:
    """The documents with all their persons and places named after the romanised ones of `others`."""
    names = Names(others)
    choose = random.Random(_SEED)
    return [names.swapped(one, choose, 1.0) for one in documents]


def print_entities(analyzer: Analyzer, sets: dict[str, Documents]) -> None:
    """Print F1 of each set as it is written, and of the first three in other case, as headlines, with other names."""
    print("entities, exact span and type, per cent")
    for name, documents in sets.items():
        counts = entity_counts(analyzer, documents)
        precision, recall, f1 = counts["all"].figures()
        kinds = " ".join(f"{kind} {counts[kind].figures()[2]:.1f}" for kind in TYPES)
        print(f"  {name}: {len(documents)} documents, P {precision:.1f} R {recall:.1f} F1 {f1:.1f} ({kinds})")
        if name.startswith("WikiNEuRal"):
            continue
        variants = {
            "in capitals": rewritten(documents, capitals),
            "in small letters": rewritten(documents, small),
            "a capital on each word": rewritten(documents, titled),
        }
        if name.startswith("CoNLL"):
            slavic = [one for other, found in sets.items() if "(uk)" in other or "(ru)" in other for one in found]
            variants["headlines alone"] = headlines(documents)
            variants["headlines alone with a capital on each word"] = rewritten(headlines(documents), titled)
            variants["persons and places transliterated"] = transliterated(documents, slavic)
        figures = (f"{label} {f1_of(analyzer, changed):.1f}" for label, changed in variants.items())
        print(f"    F1 {', '.join(figures)}")


def f1_of(analyzer: Analyzer, documents: Documents) -> float:
    """F1 over all types, per cent."""
    return entity_counts(analyzer, documents)["all"].figures()[2]
