"""The words of a text, as the compiled reading of its characters gives them and as plain Python does."""

import re
import unicodedata
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newswire.pipeline.duplicates.characters import SINGLES, SIZE
from newswire.pipeline.duplicates.normalise import MIXED, Words, long_digest, short_digest, split_words, word_spans
from newswire.pipeline.duplicates.signature import FACTS_MAX, sign

WORD = re.compile(f"[{SINGLES}]|[^\\W_{SINGLES}]+")

# Whole ranges of scripts, what folds to several characters or to none of its kind, and what lies outside the tables.
CHARACTERS = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from("aZ09 _.'’ßẞŉǰΐΰﬃﬆİıſςΣǅᾳՙև日本ｱ・々\u3099\U0001d518\U00020000\U0003ffff\U00040000\U000e0100😀"),
)


def folded(words: Words) -> list[str]:
    return bytes(words.folded).decode().split(" ") if len(words) else []


def is_mixed(word: str) -> bool:
    # Of the ideographs beyond the tables Python knows those of its Unicode release.
    return not all(one.isalpha() or ord(one) >= SIZE for one in word)


def crcs(words: list[str]) -> list[int]:
    return [crc32(word.encode()) for word in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It’s 3.5 % of GDP_2025!", ["it", "s", "3", "5", "of", "gdp", "2025"]),
        ("Straße ﬁn ＡＢＣ", ["strasse", "fin", "abc"]),
        ("日本 news です", ["日", "本", "news", "で", "す"]),
        ("Київ і Kyiv", ["київ", "і", "kyiv"]),
        ("😀 …", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert folded(split_words(text)) == words


@settings(max_examples=500, deadline=None)
@given(st.text(CHARACTERS, max_size=80))
def test_words_are_those_of_plain_python(text: str) -> None:
    cased = WORD.findall(unicodedata.normalize("NFKC", text))
    plain = [word.casefold() for word in cased]
    words = split_words(text)
    assert folded(words) == plain == [word for word, _, _ in word_spans(unicodedata.normalize("NFKC", text))]
    assert words.hashes.tolist() == crcs(plain)
    assert words.cased.tolist() == crcs(cased)
    assert [bool(mark & MIXED) for mark in words.marks] == [is_mixed(word) for word in plain]
    if not plain:
        return
    large = {word.casefold() for word in cased if word[0].isupper()}
    signature = sign(words)
    assert signature.names.values.tolist() == sorted(set(crcs(list(large - set(cased)))))
    assert signature.starts.values.tolist() == sorted(set(crcs(list(large & set(cased)))))
    assert signature.numbers.values.tolist() == sorted(set(crcs([word for word in plain if is_mixed(word)])))


def test_every_character_is_read_as_plain_python_reads_it() -> None:
    # One text for all: between spaces each is a word, or none.
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    text = " ".join(one for one in characters if unicodedata.normalize("NFKC", one) == one)
    cased = WORD.findall(unicodedata.normalize("NFKC", text))
    words = split_words(text)
    assert words.cased.tolist() == crcs(cased)
    assert words.hashes.tolist() == crcs([word.casefold() for word in cased])


@pytest.mark.parametrize("count", [4_000, 5_000])
def test_long_texts_have_the_facts_of_plain_python(count: int) -> None:
    cased = [f"Word{number % 1_500:x}" if number % 3 else f"word{number % 1_000:x}" for number in range(count)]
    large = {word.casefold() for word in cased if word[0].isupper()}
    signature = sign(split_words(" ".join(cased)))
    for found, plain in ((signature.names, large - set(cased)), (signature.starts, large & set(cased))):
        assert plain
        assert found.values.tolist() == sorted(crcs(list(plain)))[:FACTS_MAX]


def test_a_lone_surrogate_parts_words_as_any_sign_does() -> None:
    assert folded(split_words("one\ud800two \udfff")) == ["one", "two"]


def test_names_are_capitalised_words_that_are_nowhere_small() -> None:
    signature = sign(split_words("The mayor of Lyon met the Council. Mayor Leroy smiled."))
    assert signature.names.values.tolist() == sorted(crcs(["lyon", "council", "leroy"]))
    assert signature.starts.values.tolist() == sorted(crcs(["the", "mayor"]))
    assert sign(split_words("In 2025, 3 of G20")).numbers.values.tolist() == sorted(crcs(["2025", "3", "g20"]))
    assert np.unique(signature.names.values).tolist() == signature.names.values.tolist()


def test_digests() -> None:
    assert long_digest(split_words("A, b!")) == long_digest(split_words("a B"))
    assert short_digest("T", "Up 3 %") != short_digest("T", "Up 5 %")
    assert short_digest("T", "+3 %") != short_digest("T", "-3 %")
    assert short_digest("T", "Yes 😀") != short_digest("T", "Yes 😡")
    assert short_digest("😀", "") != short_digest("😡", "")
    assert short_digest("...", "") != short_digest("!!!", "")
    assert short_digest("A headline", "") == short_digest("A headline.", "A headline")
    assert short_digest("One", "same") != short_digest("Two", "same")
