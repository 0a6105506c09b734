"""Which rows of a stage's state go to the ledger's topic, and under which keys."""

from newswire.pipeline.stage.config import StageConfig
from newswire.pipeline.stage.ledger import changed_rows, position_key, row_key, standing_rows
from newswire.pipeline.stage.position import POSITION_KEY, InputPosition
from newswire.pipeline.stage.records import OutputRecord
from newswire.pipeline.stage.store import DictStore

CONFIG = StageConfig(
    namespace="n",
    name="prepare",
    bootstrap_servers="",
    input_topic="n.raw",
    outputs=(),
    changelog="n.prepare.changelog",
    state_dir=None,
    ledger="n.ledger",
    ledger_rows=(b"#count/", b"next"),
    ledger_recent=(b"#recent/",),
)
POSITION = InputPosition(7, 5, "abc")


def test_only_what_the_ledger_reads_goes_there_under_the_life_of_the_state() -> None:
    writes = {b"#count/f": b"1", b"article": b"2", b"next": None, POSITION_KEY: POSITION.encode()}
    assert changed_rows(CONFIG, 3, POSITION, writes) == [
        OutputRecord(b"prepare/3/life/abc/#count/f", b"1"),
        OutputRecord(b"prepare/3/life/abc/next", None),
        OutputRecord(b"prepare/3/position", POSITION.encode()),
    ]
    assert changed_rows(CONFIG, 3, POSITION, {b"article": b"2"}) == []
    assert changed_rows(CONFIG, 3, POSITION, {b"#recent/f": b"4"}) == [
        OutputRecord(b"prepare/3/life/abc/#recent/f", b"4")
    ]


def test_all_that_lasts_goes_there_when_a_partition_is_opened() -> None:
    store = DictStore()
    store.apply({b"#count/f": b"1", b"#recent/f": b"4", b"article": b"2", b"next": b"9", POSITION_KEY: b"old"}, 1, 1.0)
    rows = {record.key: record.value for record in standing_rows(CONFIG, 0, POSITION, store)}
    assert rows == {
        row_key("prepare", 0, "abc", b"#count/f"): b"1",
        row_key("prepare", 0, "abc", b"next"): b"9",
        position_key("prepare", 0): POSITION.encode(),
    }
