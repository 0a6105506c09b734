"""What `newswire subscribe` refuses, since it would wait for ever for an article that cannot come."""

import pytest
from click.testing import CliRunner

from newswire.pipeline.cli.subscribe import command


@pytest.mark.parametrize(
    "options",
    [
        ("--topic", "politics and government"),
        ("--topic", "medtop:1100000"),
        ("--topic", "11000000"),
        ("--language", "english"),
        ("--language", ""),
        ("--from", "yesterday"),
    ],
)
def test_a_filter_that_nothing_can_fit_is_a_usage_error(options: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command, [*options, "--idle", "1"], env={"NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": "x:1"})
    assert result.exit_code == 2
    assert "such as" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("options", [("--topic", "MEDTOP:11000000"), ("--language", "EN"), ("--language", "yue")])
def test_a_filter_that_may_fit_goes_on_to_kafka(options: tuple[str, ...]) -> None:
    environment = {"NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    result = CliRunner().invoke(command, [*options, "--idle", "1"], env=environment)
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
