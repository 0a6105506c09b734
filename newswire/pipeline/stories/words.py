"""The significant words of an article's title and lead, in any script, and the keys of its entities.

A word is cut to its first six characters, a stemmer for any inflected language (McNamee and Mayfield 2004,
"Character N-Gram Tokenization for European Language Text Retrieval"); scripts without spaces, and Korean,
give pairs of characters. Words of up to three letters are passed over (two in scripts that write few vowels, from
Hebrew on); what else is frequent weighs little by itself
(the index weighs a word by the number of stories that have it).
"""

import re
import unicodedata
from collections.abc import Iterable

from anyascii import anyascii

from newswire.schemas import Entity

LEAD_MAX = 1_200
"""Code points of the text that are read: the event stands in a report's first paragraphs (inverted pyramid)."""

TITLE_MAX = 300
STEM = 6
WORDS_MAX = 96
ENTITIES_MAX = 48
ENTITY = "@"
"""What the key of a named thing begins with; a word's key is the word itself."""

# Marks are part of a word: Python's \w leaves out the vowel signs of Indic and South-East Asian scripts.
_MARKS = r"\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0900-\u0963\u0966-\u109f\u1780-\u17ff"
_WORD = re.compile(rf"(?:[^\W_]+|[{_MARKS}]+)+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_SHORT_FROM = "\u0590"
_POSSESSIVE = re.compile(r"['’]s?$")


def significant_words(title: str, text: str) -> dict[str, int]:
    """The words with their weight: 2 for one of the title, 1 for one of the lead only. At most WORDS_MAX."""
    words: dict[str, int] = {}
    for part, weight in ((title[:TITLE_MAX], 2), (text[:LEAD_MAX], 1)):
        for word in split_words(part):
            if word not in words:
                words[word] = weight
                if len(words) >= WORDS_MAX:
                    return words
    return words


def split_words(text: str) -> list[str]:
    """The significant words in their order, with repetitions."""
    if text.isascii():
        # one digit says nothing; two and more are tolls, prices and dates
        return [w[:STEM] for w in _ASCII_WORD.findall(text.lower()) if len(w) > 3 or (len(w) > 1 and w.isdecimal())]
    folded = unicodedata.normalize("NFKC", text).casefold()
    words: list[str] = []
    for word in _WORD.findall(folded):
        if unspaced := _UNSPACED.findall(word):
            for run in unspaced:
                words += (run[at : at + 2] for at in range(max(1, len(run) - 1)))
        elif word.isdecimal():
            if len(word) > 1:
                words.append(word[:STEM])
        elif len(word) > (3 if word < _SHORT_FROM else 2):
            words.append(word[:STEM])
    return words


def entity_keys(entities: Iterable[Entity]) -> dict[str, Entity]:
    """Each named thing's first mention, by its name in Latin letters, its words cut as words are. At most ENTITIES_MAX.

    So that a name meets its transliteration and its inflected forms: Vorkuta and Воркута, Зеленський and Зеленського.
    """
    keys: dict[str, Entity] = {}
    for entity in entities:
        name = _POSSESSIVE.sub("", unicodedata.normalize("NFKC", entity.text[:TITLE_MAX]).casefold().strip())
        if key := " ".join(word[:STEM] for word in anyascii(name).casefold().split()):
            keys.setdefault(ENTITY + key, entity)
            if len(keys) >= ENTITIES_MAX:
                break
    return keys
