"""The words of a text for comparison: letters and digits in any script, compatibility forms and case folded.

Chinese and Japanese count by characters, since nothing parts their words. Scripts whose vowel signs are combining
marks (Devanagari, Thai) are split at them, in every text alike.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from newswire.pipeline.duplicates.characters import (
    CAPITAL,
    END,
    LETTER,
    PART,
    SINGLE,
    SINGLES,
    SIZE,
    SPREAD,
    characters,
)
from newswire.pipeline.duplicates.compiled import compiled

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]

LARGE, MIXED = CAPITAL, 1
"""Marks of a word: it begins with a capital; it holds more than letters, which is a digit."""

_WORD = re.compile(f"[{SINGLES}]|[^\\W_{SINGLES}]+")
# For short texts signs count as well ("+3 %", an emoji), only the marks that parts sentences do not.
_SIGN_OR_WORD = re.compile(r"[^\W_]+|[^\w\s.,;:!?'\"’‘“”«»„…()\[\]]")
_SPACE = 0x20
_LONGEST = 4 * 3 + 1
"""Bytes of a folded character with the space after it at most: three code points of four bytes."""


@dataclass(eq=False, slots=True)
class Words:
    """A text's words in order, as numbers, an array element a word.

    `hashes`: CRC-32 of the folded word's UTF-8, the same in every process and on every platform. `cased`: the same of
    the word as it is written. `marks`: LARGE and MIXED. `folded`: UTF-8 of the folded words with a space between two.
    """

    hashes: U32
    cased: U32
    marks: U8
    folded: U8

    def __len__(self) -> int:
        """How many words there are."""
        return len(self.hashes)


def split_words(text: str) -> Words:
    """The words of a text, after NFKC (Unicode annex 15) and full case folding."""
    codes = np.frombuffer(_compatible(text).encode("utf-32-le", errors="replace"), dtype="<u4")
    return Words(*_read(codes, *characters(), _crc_table()))


def word_spans(text: str) -> list[tuple[str, int, int]]:
    """The words of a text as they are compared, each with its start and end in the text (code points)."""
    return [(_compatible(found[0]).casefold(), *found.span()) for found in _WORD.finditer(text)]


def long_digest(words: Words) -> bytes:
    """16 bytes that two longer texts share when their words are the same: the headline does not count."""
    return hashlib.blake2b(words.folded.data, digest_size=16, person=b"long").digest()


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


@cache
def _crc_table() -> U32:
    """The table of a byte-wise CRC-32, from zlib's: it is linear, so that two CRCs differ by the table's entries."""
    return np.array([crc32(bytes([byte])) ^ crc32(b"\0") for byte in range(256)], dtype=np.uint32)


@compiled
def _read(codes: U32, kinds: U8, folds: U32, spread: U32, crc_table: U32) -> tuple[U32, U32, U8, U8]:
    """The fields of Words, of the code points of a text."""
    hashes = np.empty(len(codes), dtype=np.uint32)
    cased = np.empty(len(codes), dtype=np.uint32)
    marks = np.empty(len(codes), dtype=np.uint8)
    folded = np.empty(_LONGEST * len(codes) + 1, dtype=np.uint8)
    written = np.empty(4 * len(codes), dtype=np.uint8)
    words, end, at = 0, 0, 0
    while at < len(codes):
        kind = first = _kind(codes[at], kinds)
        if not first:
            at += 1
            continue
        begin, start, letters, changed = end, at, True, False
        while True:
            code = codes[at]
            letters = letters and kind & LETTER != 0
            form = folds[code] if code < SIZE else code
            changed = changed or form != code
            if form < SPREAD:
                end = _encode(form, folded, end)
            else:
                place = int(form & (SPREAD - 1))
                for other in spread[place + 1 : place + 1 + int(spread[place])]:
                    end = _encode(other, folded, end)
            at += 1
            if first & SINGLE or at == len(codes):
                break
            kind = _kind(codes[at], kinds)
            if not kind & PART:
                break
        hashes[words] = cased[words] = _crc(folded[begin:end], crc_table)
        if changed:
            written_end = 0
            for code in codes[start:at]:
                written_end = _encode(code, written, written_end)
            cased[words] = _crc(written[:written_end], crc_table)
        marks[words] = (first & CAPITAL) | (0 if letters else MIXED)
        words += 1
        folded[end] = _SPACE
        end += 1
    return hashes[:words], cased[:words], marks[:words], folded[: max(0, end - 1)]


@compiled
def _kind(code: int, kinds: U8) -> int:
    if code < SIZE:
        return int(kinds[code])
    return SINGLE | LETTER if code < END else 0


@compiled
def _encode(code: int, out: U8, at: int) -> int:
    """Write a code point as UTF-8 (RFC 3629) at a place; the place after it."""
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | (code >> 6)
        out[at + 1] = 0x80 | (code & 0x3F)
        return at + 2
    if code < 0x10000:
        out[at] = 0xE0 | (code >> 12)
        out[at + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[at + 2] = 0x80 | (code & 0x3F)
        return at + 3
    out[at] = 0xF0 | (code >> 18)
    out[at + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[at + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[at + 3] = 0x80 | (code & 0x3F)
    return at + 4


@compiled
def _crc(data: U8, table: U32) -> int:
    register = np.uint32(0xFFFFFFFF)
    for byte in data:
        register = table[(register ^ byte) & np.uint32(0xFF)] ^ (register >> np.uint32(8))
    return int(register ^ np.uint32(0xFFFFFFFF))
