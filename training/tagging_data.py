"""Readers of the entity sets: each gives `TaggedDocument`s, plain text with spans of four types in code points.

Tokenised sets are put back into running text (`join_words`), because that is what the service sees: "Kremlin's", not
"Kremlin 's". Labels of other schemes are mapped to PER, ORG, LOC and MISC here and nowhere else.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NO_SPACE_BEFORE = re.compile(r"^(?:[.,;:!?%)\]}»”…]+|'(?:s|S|re|ve|ll|d|m|t)?|n't|’s?)$")
_NO_SPACE_AFTER = frozenset("([{«“„$#")
_CONLL_TYPES = {name: name for name in ("PER", "ORG", "LOC", "MISC")}
_WNUT_TYPES = {
    "person": "PER",
    "location": "LOC",
    "group": "ORG",
    "corporation": "ORG",
    "creative-work": "MISC",
    "product": "MISC",
}
_UK_TYPES = {"PERS": "PER", "ORG": "ORG", "LOC": "LOC", "MISC": "MISC", "ART": "MISC"}
_SLAVIC_TYPES = {"PER": "PER", "ORG": "ORG", "LOC": "LOC", "PRO": "MISC", "EVT": "MISC", "MISC": "MISC"}
_RU_SPANS = {
    "name": "PER",
    "surname": "PER",
    "patronymic": "PER",
    "nickname": "PER",
    "org_name": "ORG",
    "loc_name": "LOC",
    "prj_name": "MISC",
}
_UK_BLOCK = 40
_WIKI_BLOCK = 6


@dataclass(frozen=True)
class TaggedDocument:
    """A text with its entities: `spans` are (start, end, type), sorted, without overlap; sentences end with a line."""

    id: str
    language: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


def held_out(document_id: str, of: int = 5) -> bool:
    """Whether a document is kept for evaluation: one of five (or `of`), by the SHA-1 of its id."""
    return int(hashlib.sha1(document_id.encode()).hexdigest(), 16) % of == 0  # noqa: S324 - a split, not a secret


@dataclass
class _Builder:
    """Running text built word by word."""

    text: str = ""
    spans: list[tuple[int, int, str]] = field(default_factory=list)
    _quote_open: bool = False
    _glue: bool = True

    def add(self, word: str, tag: str, types: dict[str, str]) -> None:
        quote = word in ('"', "``", "''")
        tight = self._glue or bool(_NO_SPACE_BEFORE.match(word)) or (quote and self._quote_open)
        start = len(self.text) + (0 if tight else 1)
        self.text += ("" if tight else " ") + word
        self._glue = word in _NO_SPACE_AFTER or (quote and not self._quote_open)
        if quote:
            self._quote_open = not self._quote_open
        kind = types.get(tag[2:]) if tag != "O" else None
        if kind is None:
            return
        if tag.startswith("I") and self.spans and self.spans[-1][2] == kind and start - self.spans[-1][1] <= 1:
            self.spans[-1] = (self.spans[-1][0], len(self.text), kind)
        else:
            self.spans.append((start, len(self.text), kind))

    def end_sentence(self) -> None:
        self.text += "\n"
        self._quote_open, self._glue = False, True

    def document(self, name: str, language: str) -> TaggedDocument:
        return TaggedDocument(name, language, self.text.rstrip("\n"), tuple(self.spans))


Sentence = list[tuple[str, str]]


def join_words(sentences: list[Sentence], types: dict[str, str], name: str, language: str) -> TaggedDocument:
    """Running text and spans of tokenised sentences of (word, BIO tag), tags mapped by `types` (others dropped)."""
    builder = _Builder()
    for sentence in sentences:
        for word, tag in sentence:
            builder.add(word, tag, types)
        builder.end_sentence()
    return builder.document(name, language)


def _sentences(path: Path, word: int, tag: int, separator: str) -> Iterator[Sentence]:
    """Sentences of a column file; a "-DOCSTART-" line comes as a sentence of its own."""
    sentence: Sentence = []
    for line in path.read_text(encoding="utf-8-sig").split("\n"):
        columns = line.split(separator)
        if not line.strip() or len(columns) <= max(word, tag):
            if sentence:
                yield sentence
            sentence = []
        elif columns[word].strip():
            sentence.append((columns[word].strip(), columns[tag].strip()))
    if sentence:
        yield sentence


def read_conll(path: Path) -> list[TaggedDocument]:
    """CoNLL-2003 English; documents are split at its -DOCSTART- lines."""
    documents: list[list[Sentence]] = []
    for sentence in _sentences(path, 1, 2, "\t"):
        if sentence[0][0] == "-DOCSTART-" or not documents:
            documents.append([])
        if sentence[0][0] != "-DOCSTART-":
            documents[-1].append(sentence)
    return [
        join_words(sentences, _CONLL_TYPES, f"conll-{path.stem}-{number}", "en")
        for number, sentences in enumerate(documents)
        if sentences
    ]


def _blocks(sentences: list[Sentence], size: int) -> list[list[Sentence]]:
    return [sentences[at : at + size] for at in range(0, len(sentences), size)]


def read_wikineural(folder: Path) -> list[TaggedDocument]:
    """WikiNEuRal's six validation files (silver labels), in blocks of six neighbouring sentences."""
    documents = []
    for path in sorted(folder.glob("*-val.conllu")):
        language = path.name[:2]
        for number, block in enumerate(_blocks(list(_sentences(path, 1, 2, "\t")), _WIKI_BLOCK)):
            documents.append(join_words(block, _CONLL_TYPES, f"wikineural-{language}-{number}", language))
    return documents


def read_ner_uk(path: Path) -> list[TaggedDocument]:
    """NER-UK 2.0 train; the file marks no documents, so 40 neighbouring sentences count as one."""
    blocks = _blocks(list(_sentences(path, 0, 1, " ")), _UK_BLOCK)
    return [join_words(block, _UK_TYPES, f"ner-uk-{number}", "uk") for number, block in enumerate(blocks)]


def read_wnut(folder: Path) -> list[TaggedDocument]:
    """WNUT-17 train and dev (social media)."""
    documents = []
    for path in sorted(folder.glob("*.conll")):
        for number, block in enumerate(_blocks(list(_sentences(path, 0, 1, "\t")), 1)):
            documents.append(join_words(block, _WNUT_TYPES, f"wnut-{path.stem}-{number}", "en"))
    return documents


def _without_overlap(spans: list[tuple[int, int, str]]) -> tuple[tuple[int, int, str], ...]:
    """The longest spans first, those that overlap a chosen one dropped, sorted by place."""
    chosen: list[tuple[int, int, str]] = []
    for span in sorted(set(spans), key=lambda s: (s[0] - s[1], s[0], s[2])):
        if all(span[1] <= other[0] or span[0] >= other[1] for other in chosen):
            chosen.append(span)
    return tuple(sorted(chosen))


def read_factrueval(folder: Path) -> list[TaggedDocument]:
    """factRuEval-2016 dev: a person is its neighbouring name spans as one, an organisation or place its name span."""
    documents = []
    for path in sorted(folder.glob("*.txt")):
        text = path.read_bytes().decode("utf-8")
        parts: dict[str, tuple[int, int, str]] = {}
        for line in path.with_suffix(".spans").read_text(encoding="utf-8").splitlines():
            columns = line.split()
            if len(columns) > 4 and columns[1] in _RU_SPANS:
                start, length = int(columns[2]), int(columns[3])
                parts[columns[0]] = (start, start + length, _RU_SPANS[columns[1]])
        spans = []
        for line in path.with_suffix(".objects").read_text(encoding="utf-8").splitlines():
            ids = line.partition("#")[0].split()[2:]
            found = sorted(parts[i] for i in ids if i in parts)
            merged: list[tuple[int, int, str]] = []
            for span in found:
                if merged and span[2] == "PER" == merged[-1][2] and not text[merged[-1][1] : span[0]].strip():
                    merged[-1] = (merged[-1][0], span[1], "PER")
                else:
                    merged.append(span)
            spans += merged
        documents.append(TaggedDocument(f"factrueval-{path.stem}", "ru", text, _without_overlap(spans)))
    return documents


def _slavic_annotation(folder: Path, raw: Path, language: str) -> Path | None:
    stem = raw.stem
    for name in (f"{stem}.out", f"{stem}.txt", re.sub(r"^file_|_ua$|_[a-z]{2}$", "", stem) + ".txt"):
        if (folder / "annotated" / language / name).is_file():
            return folder / "annotated" / language / name
    return None


def read_slavner(folder: Path, most: int) -> list[TaggedDocument]:
    """SlavNER: mention lists without offsets, aligned to every whole-word occurrence in the text.

    At most `most` documents of a topic and language; what lists in lower case cannot be aligned is left out.
    """
    documents = []
    for raw_folder in sorted(folder.glob("*/raw/*")):
        topic, language = raw_folder.parent.parent, raw_folder.name
        for raw in sorted(raw_folder.glob("*.txt"))[:most]:
            annotation = _slavic_annotation(topic, raw, language)
            if annotation is None:
                continue
            lines = raw.read_text(encoding="utf-8", errors="replace").splitlines()
            text = "\n".join(line for line in lines[4:] if line.strip())[:6000]
            spans = []
            for line in annotation.read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
                columns = line.split("\t")
                if len(columns) < 3 or columns[2] not in _SLAVIC_TYPES or not columns[0].strip():
                    continue
                mention = columns[0].strip()
                stripped = mention.strip("\"'«»„”“")
                kind = _SLAVIC_TYPES[columns[2]]
                found = re.finditer(r"(?<!\w)" + re.escape(stripped or mention) + r"(?!\w)", text)
                spans += [(match.start(), match.end(), kind) for match in found]
            if len(spans) >= 2:
                name = f"slavner-{topic.name}-{language}-{raw.stem}"
                documents.append(TaggedDocument(name, language, text, _without_overlap(spans)))
    return documents
