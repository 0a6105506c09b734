"""The words of a text for comparison: letters and digits in any script, compatibility forms and case folded.

Chinese and Japanese count by characters, since nothing parts their words. Scripts whose vowel signs are combining
marks (Devanagari, Thai) are split at them, in every text alike.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

_CHARACTERS = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_CHARACTERS}]|[^\\W_{_CHARACTERS}]+")
_ASCII_WORD = re.compile("[A-Za-z0-9]+")
# For short texts signs count as well ("+3 %", an emoji), only the marks that parts sentences do not.
_SIGN_OR_WORD = re.compile(r"[^\W_]+|[^\w\s.,;:!?'\"’‘“”«»„…()\[\]]")


@dataclass(frozen=True)
class Words:
    """A text's words in order: as they are written (`cased`) and for comparison (`folded`)."""

    cased: list[str]
    folded: list[str]

    @cached_property
    def hashes(self) -> list[int]:
        """CRC-32 of each folded word's UTF-8: the same in every process and on every platform."""
        return _hashes(self.folded)

    def numbers(self) -> set[int]:
        """Hashes of the words that hold a digit."""
        # Words are letters and digits only: what is not all letters holds a digit.
        return set(_hashes([word for word in set(self.folded) if not word.isalpha()]))

    def capitalised(self) -> tuple[set[int], set[int]]:
        """Hashes of the capitalised words: names, and those that the text writes small elsewhere (sentence starts)."""
        written = set(self.cased)
        folded = set(" ".join([word for word in written if word[0].isupper()]).casefold().split())
        names = folded - written
        return set(_hashes(list(names))), set(_hashes(list(folded - names)))


def split_words(text: str) -> Words:
    """The words of a text, after NFKC (Unicode annex 15) and full case folding."""
    cased = _ASCII_WORD.findall(text) if text.isascii() else _WORD.findall(unicodedata.normalize("NFKC", text))
    # One call for all words: folding never makes a space.
    return Words(cased, " ".join(cased).casefold().split(" ") if cased else [])


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """The words of a text as they are compared, each with its start and end in the text (code points)."""
    return [(_compatible(found[0]).casefold(), *found.span()) for found in _WORD.finditer(text)]


def long_digest(words: Words) -> bytes:
    """16 bytes that two longer texts share when their words are the same: the headline does not count."""
    return hashlib.blake2b(" ".join(words.folded).encode(errors="replace"), digest_size=16, person=b"long").digest()


def short_digest(title: str, text: str) -> bytes:
    """16 bytes that two short articles share when words and signs of title and text are the same.

    An empty text stands for its title, so that a headline and a text without a headline can meet.
    """
    head, body = _signs(title), _signs(text)
    joined = f"{head}\n{body or head}" if head or body else f"{title.strip()}\n{text.strip() or title.strip()}"
    return hashlib.blake2b(joined.encode(errors="replace"), digest_size=16, person=b"short").digest()


def _signs(text: str) -> str:
    return " ".join(_SIGN_OR_WORD.findall(_compatible(text).casefold()))


def _compatible(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def _hashes(words: list[str]) -> list[int]:
    return list(map(crc32, " ".join(words).encode(errors="replace").split(b" "))) if words else []
