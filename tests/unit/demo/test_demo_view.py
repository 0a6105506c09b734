"""What the demo shows while it runs and at its end."""

import io

from rich.console import Console

from newswire.pipeline.demo.choice import choose, copies_of, newest, stories_of
from newswire.pipeline.demo.present import facts, first_lines, group_entities, print_article
from newswire.pipeline.demo.report import ledger_table
from newswire.pipeline.demo.view import Headline, LiveView, PlainView, Snapshot, counts_line, open_view
from newswire.pipeline.ledger.balance import Entry, Ledger
from newswire.schemas import Duplicate, Feed, Language, StoryRef
from tests.unit.demo.samples import article, entity, outcome


def plain_console() -> Console:
    return Console(file=io.StringIO(), width=60)


def shown(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_counts_line_names_what_occurred_and_what_is_left() -> None:
    snapshot = Snapshot("runs", collected=9, outcomes={"emitted": 5, "dead": 1, "seen": 0})
    assert counts_line(snapshot) == "9 collected, 5 emitted, 1 dead, 3 in flight"


def test_in_flight_is_never_negative() -> None:
    assert Snapshot("runs", collected=1, outcomes={"emitted": 2}).in_flight == 0


def test_plain_lines_come_once_each() -> None:
    console = plain_console()
    first = Headline("uk", "Вісті", "[bold]Перший заголовок, довший за ширину рядка на екрані[/bold]")
    second = Headline("de", "Blick", "Zweiter", note="update, revision 2")
    with PlainView(console) as view:
        view.show(Snapshot("starting"))
        view.show(Snapshot("starting", polls=3))
        view.show(Snapshot("runs", elapsed=1.0, polls=4, collected=2, outcomes={"emitted": 1}, headlines=(first,)))
        view.show(Snapshot("runs", elapsed=1.2, polls=9, collected=2, outcomes={"emitted": 1}, headlines=(first,)))
        view.show(Snapshot("runs", elapsed=2.0, collected=2, outcomes={"emitted": 2}, headlines=(first, second)))
    lines = shown(console).splitlines()
    assert len(lines) == 6
    assert lines[:2] == ["starting", "runs"]
    assert first.title in lines[2]
    assert lines[3] == "  1.0 s  2 collected, 1 emitted, 1 in flight; 4 polls"
    assert lines[4] == "  de  Zweiter  Blick  update, revision 2"


def test_a_terminal_gets_the_table_and_a_pipe_gets_lines() -> None:
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True)
    view = open_view(terminal)
    assert isinstance(view, LiveView)
    assert isinstance(open_view(plain_console()), PlainView)
    with view:
        view.show(Snapshot("runs", feeds=8, collected=37, headlines=(Headline("pl", "Kurier", "Pierwszy"),)))
    assert "Pierwszy" in shown(terminal)
    assert "37" in shown(terminal)


def test_entities_are_grouped_by_type_and_named_once() -> None:
    found = (entity("Kyiv"), entity("Oleh  Tkach", "PER"), entity("Kyiv", start=9), entity("Lviv"))
    assert group_entities(found) == {"PER": ["Oleh Tkach"], "LOC": ["Kyiv", "Lviv"]}


def test_facts_tell_of_update_story_and_copies() -> None:
    changed = article("a", revision=2, duplicate=Duplicate(kind="update", of="a", similarity=0.7))
    other = article("b", feed=Feed(url="http://127.0.0.1:1/b.xml", title="Feed B"))
    rows = facts(changed, [outcome(4, "duplicate", of="a")], [changed, other], {"http://127.0.0.1:1/b.xml": "Feed B"})
    told = dict(rows)
    assert told["from"] == "Feed A, 2026-11-20T12:00:00Z"
    assert told["topics"] == "conflict, war and peace 0.87"
    assert "revision 2" in told["update"]
    assert told["story"].endswith("also told by Feed B: Title of b")
    assert told["copy"] == "exact in Feed B, left out (similarity 1.00)"
    assert "alone" in dict(facts(other))["story"]


def test_an_article_is_printed_plain_and_in_a_panel() -> None:
    one = article("a", title="A [red]title[/red]", text="word " * 200)
    plain, terminal = plain_console(), Console(file=io.StringIO(), width=100, force_terminal=True)
    for console in (plain, terminal):
        print_article(console, one, facts(one))
        assert "[red]title[/red]" in shown(console)
    assert "╭" not in shown(plain)
    assert "╭" in shown(terminal)


def test_first_lines_are_cut_at_a_word() -> None:
    assert first_lines("one two\n\nthree four", 12) == "one two …"


def test_newest_keeps_the_last_revision_in_order_of_the_wire() -> None:
    old, new = article("a", sequence=1), article("a", sequence=3, revision=2)
    assert newest([new, old, article("b", sequence=2)]) == [article("b", sequence=2), new]


def test_a_story_needs_two_feeds() -> None:
    same = StoryRef(id="s", new=False)
    one, two = article("a", story=same), article("b", story=same)
    assert stories_of([one, two]) == {}
    elsewhere = article("c", story=same, feed=Feed(url="http://127.0.0.1:1/c.xml"))
    assert [member.id for member in stories_of([one, elsewhere])["s"]] == ["a", "c"]


def test_the_choice_shows_each_thing_once_and_is_limited() -> None:
    every_type = tuple(entity(kind, kind) for kind in ("PER", "ORG", "LOC", "MISC"))
    articles = [
        article("dull", sequence=1),
        article("seed", sequence=2, entities=every_type),
        article("new", sequence=3, revision=2),
        article("copied", sequence=4),
        article("uk", sequence=5, language=Language(code="uk", confidence=1.0)),
    ]
    copies = copies_of([outcome(7, "duplicate", of="copied"), outcome(8)])
    assert [chosen.id for chosen in choose(articles, copies)] == ["seed", "new", "copied", "uk"]
    assert len(choose(articles, copies, limit=2)) == 2


def test_the_ledger_table_names_feeds_and_sums() -> None:
    row = Entry("http://127.0.0.1:1/b.xml", 4, {"emitted": 2, "seen": 1}, {"raw": 1})
    strange = Entry("", 1, {"dead": 1}, {})
    ledger = Ledger((row, strange), Entry(None, 5, {"emitted": 2, "seen": 1, "dead": 1}, {"raw": 1}), 0, ())
    console = Console(file=io.StringIO(), width=80)
    console.print(ledger_table(ledger, {"http://127.0.0.1:1/b.xml": "Feed B"}))
    assert "Feed B" in shown(console)
    assert "(not readable)" in shown(console)
    assert [column.footer for column in ledger_table(ledger, {}).columns][:3] == ["all", "5", "2"]
