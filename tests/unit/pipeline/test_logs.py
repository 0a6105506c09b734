"""Logs: what libraries repeat is cut, what newswire says is not."""

import logging

from newswire.pipeline.cli.common import LibraryRepeats


def record(name: str, message: str) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file", 1, message, (), None)


def test_a_library_says_the_same_thing_once_in_a_while() -> None:
    repeats = LibraryRepeats()
    passed = [repeats.filter(record("aiokafka", "Unable to connect")) for _ in range(3)]
    assert passed == [True, False, False]
    assert repeats.filter(record("aiokafka", "another thing"))
    repeats.SECONDS = 0.0
    assert repeats.filter(record("aiokafka", "Unable to connect"))


def test_newswire_is_never_cut() -> None:
    repeats = LibraryRepeats()
    assert all(repeats.filter(record("newswire.stage", "committed")) for _ in range(3))
