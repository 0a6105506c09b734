"""What `newswire replay` refuses before anything starts, in a line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from newswire.pipeline.cli.replay import command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["raw.jsonl"], "a replay needs --namespace"),
        (["raw.jsonl", "--namespace", "newswire"], "is the namespace of the live service"),
        (["namespace:x", "--namespace", "x"], "cannot be replayed into itself"),
        (["namespace:", "--namespace", "x"], "'' is no namespace; a path that begins so is written ./namespace:"),
        (["namespace:a/b", "--namespace", "x"], "is no namespace"),
        (["raw.jsonl", "--namespace", "x", "--where", "title =="], "--where: column 9: Syntax error"),
        # over the enriched record of a namespace, over the raw article of anything else
        (["raw.jsonl", "--namespace", "x", "--where", "provenance.model == 'a'"], "there is no field 'provenance'"),
        (["namespace:y", "--namespace", "x", "--where", "content == 'a'"], "there is no field 'content'"),
        (["raw.jsonl", "--namespace", "x", "--speed", "fast"], "neither max nor a factor"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_a_path_that_looks_like_a_namespace(tmp_path: Path) -> None:
    with CliRunner().isolated_filesystem(tmp_path):
        done = CliRunner().invoke(command, ["./namespace:y", "--namespace", "x"])
    assert done.exit_code == 1
    assert "namespace:y: No such file" in done.output
