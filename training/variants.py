"""Variants of training texts: other case, other names. Spans stay true, and a change of case moves no code point.

Two things that the sets teach wrongly are taken back here. A quarter of the English topic texts is in small letters
throughout, and has topics that hardly another source has: small letters must say nothing of a topic. And names of the
sets repeat (CoNLL-2003 is two weeks of one agency): a span must be known by what stands around it, too.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable

from training.tagging_data import TaggedDocument

_ROMAN = {
    "а": "a",
    "б": "b",
    "в": "v",
    "г": "g",
    "ґ": "g",
    "д": "d",
    "е": "e",
    "є": "ye",
    "ё": "yo",
    "ж": "zh",
    "з": "z",
    "и": "y",
    "і": "i",
    "ї": "yi",
    "й": "y",
    "к": "k",
    "л": "l",
    "м": "m",
    "н": "n",
    "о": "o",
    "п": "p",
    "р": "r",
    "с": "s",
    "т": "t",
    "у": "u",
    "ф": "f",
    "х": "kh",
    "ц": "ts",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ъ": "",
    "ы": "y",
    "ь": "",
    "э": "e",
    "ю": "yu",
    "я": "ya",
    "'": "",
    "’": "",
}
_SWAPPED = ("PER", "ORG", "LOC")


def _each(text: str, change: Callable[[str], str]) -> str:
    """Each character changed, but one whose other form is longer ("ß") stays."""
    changed = change(text)
    if len(changed) == len(text):
        return changed
    return "".join(new if len(new := change(character)) == 1 else character for character in text)


def small(text: str) -> str:
    """In small letters."""
    return _each(text, str.lower)


def capitals(text: str) -> str:
    """In capitals."""
    return _each(text, str.upper)


def titled(text: str) -> str:
    """A capital on each word and small letters after it, as headlines are set."""
    out, inside = [], False
    for character in small(text):
        out.append(character if inside else capitals(character))
        inside = character.isalnum() or (inside and character in "'’")
    return "".join(out)


def shouted(text: str, choose: random.Random) -> str:
    """Its first line and some others in capitals, as headlines are in many feeds."""
    lines = text.split("\n")
    return "\n".join(
        capitals(line) if not number or choose.random() < 0.2 else line for number, line in enumerate(lines)
    )


def recased(text: str, choose: random.Random) -> str:
    """The text as it is (66 %), in small letters (13 %), with a capital on each word (13 %), or shouted (8 %)."""
    drawn = choose.random()
    if drawn < 0.66:
        return text
    if drawn < 0.79:
        return small(text)
    if drawn < 0.92:
        return titled(text)
    return shouted(text, choose)


def romanised(name: str) -> str | None:
    """A Ukrainian or Russian name in Latin letters as newsrooms write it, roughly; None for another script."""
    if not all(character.lower() in _ROMAN or not character.isalpha() for character in name):
        return None
    letters = []
    for character in name:
        roman = _ROMAN.get(character.lower(), character)
        letters.append(roman.capitalize() if character.isupper() else roman)
    return "".join(letters)


class Names:
    """The names of tagged documents, by language, type and number of words."""

    def __init__(self, documents: Iterable[TaggedDocument]) -> None:
        """Of Ukrainian and Russian documents the romanised persons and places, as names of English ones."""
        self._names: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        for document in documents:
            for start, end, kind in document.spans:
                name = document.text[start:end]
                words = len(name.split())
                if document.language in ("ru", "uk"):
                    roman = romanised(name) if kind != "ORG" and name[:1].isupper() else None
                    if roman:
                        self._names["en", kind, words].append(roman)
                elif kind in _SWAPPED and "\n" not in name:
                    self._names[document.language, kind, words].append(name)

    def swapped(self, document: TaggedDocument, choose: random.Random, share: float) -> TaggedDocument:
        """The document with about `share` of its names replaced, a name by the same one wherever it stands."""
        chosen: dict[tuple[str, str], str] = {}
        text, spans, at = "", [], 0
        for start, end, kind in document.spans:
            name = document.text[start:end]
            if (name, kind) not in chosen:
                others = self._names.get((document.language, kind, len(name.split())))
                swap = others is not None and kind in _SWAPPED and choose.random() < share
                chosen[name, kind] = choose.choice(others) if swap and others else name
            text += document.text[at:start]
            spans.append((len(text), len(text) + len(chosen[name, kind]), kind))
            text += chosen[name, kind]
            at = end
        return TaggedDocument(document.id, document.language, text + document.text[at:], tuple(spans))
