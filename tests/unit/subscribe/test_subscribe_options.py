"""What `newswire subscribe` refuses, since it would wait for ever for an article that cannot come."""

import inspect

import pytest
from click.testing import CliRunner

import newswire
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


def test_the_iterator_has_the_options_of_the_command() -> None:
    options = {parameter.name for parameter in command.params} - {"form", "config", "namespace"}
    parameters = set(inspect.signature(newswire.subscribe).parameters)
    assert parameters == options | {"bootstrap_servers", "namespace", "options", "on_gap"}


def test_what_a_program_needs_is_importable_from_newswire() -> None:
    assert issubclass(newswire.ArticlesExpired, LookupError)
    assert newswire.Gap.__name__ == "Gap"
    with pytest.raises(AttributeError):
        newswire.nothing  # noqa: B018
