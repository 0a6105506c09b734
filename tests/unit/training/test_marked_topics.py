"""Topics marked by hand: found by the text alone, complete where they are there."""

import json
from pathlib import Path

import pytest

from training.marked_topics import key_of, marked, read_marks
from training.thresholds import listed
from training.topic_data import TOPICS, labelled
from training.topic_figures import Scored, print_topics


def test_a_marked_text_has_all_its_topics_and_no_unsure_one() -> None:
    text = labelled("outlet-7", "en", "Court rejects verdict on a firm's audits", (4,))
    complete = marked(text, {key_of(text.text): frozenset({2, 4})})
    assert complete is not None
    assert listed(complete) == ({TOPICS[1], TOPICS[3]}, set())
    assert complete.text == text.text
    assert marked(text, {key_of("another text"): frozenset({2})}) is None


def test_the_marks_are_topics_of_424_texts() -> None:
    marks = read_marks()
    assert len(marks) == 424
    assert {number for numbers in marks.values() for number in numbers} == set(range(1, 18))


@pytest.mark.parametrize("numbers", [[0], [3, 18], []])
def test_a_mark_that_is_no_topic_is_refused(tmp_path: Path, numbers: list[int]) -> None:
    path = tmp_path / "marks.json"
    path.write_text(json.dumps({"ab": numbers}))
    with pytest.raises(ValueError, match=r"marks.json: ab has the topics"):
        read_marks(path)


def test_figures_of_marked_texts_are_printed_beside_those_of_their_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [labelled(f"outlet-{number}", "en", f"text {number}", (4,)) for number in range(4)]
    scores = dict.fromkeys(TOPICS, 0.0) | {TOPICS[1]: 0.9, TOPICS[3]: 0.6}
    # Half of the texts were read: of one both topics are true, of the other one neither is.
    marks = {key_of("text 0"): frozenset({2, 4}), key_of("text 1"): frozenset({5})}
    monkeypatch.setattr("training.topic_figures.read_marks", lambda: marks)
    print_topics([Scored(text, scores) for text in texts], [0.5] * len(TOPICS))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  outlets never trained on, English: 4 texts, 0.0 %")
    assert lines[2].startswith("  outlets never trained on, English, all topics marked by hand: 2 texts, 50.0 %")
    assert lines[3] == "    of the topics given P 50.0 R 66.7"
