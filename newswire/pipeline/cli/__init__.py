"""The command line: a module a command, loaded when it is called, so that `--help` stays quick."""

import importlib
from typing import Any

import click

COMMANDS = {
    "broker": "start, stop or show the embedded Kafka",
    "dead": "list, show or retry what a stage could not do",
    "demo": "everything once, over bundled feeds; ends by itself",
    "doctor": "say what is wrong with this installation and its broker",
    "enrich": "raw articles as JSON lines in, enriched records out, without Kafka",
    "explain": "why two articles are copies or not, and of one story or not",
    "feeds": "the feed list: import, add, remove, pause, resume, list, check, export",
    "ledger": "what was collected and how it ended",
    "namespaces": "list or delete the wires on this Kafka, such as those of replays",
    "prepare": "compile and fetch, once on a machine, what the first start else waits for",
    "replay": "send historical feeds through the same code",
    "run": "the long-lived service",
    "stories": "the stories of the wire, and how the articles of one came to it",
    "subscribe": "the enriched topic to standard output",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own name, each with an object `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name != "worker":
            return None
        command: click.Command = importlib.import_module(f"newswire.pipeline.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="newswire")
def main(**_: Any) -> None:
    """Turn news feeds into an enriched wire on Kafka."""
