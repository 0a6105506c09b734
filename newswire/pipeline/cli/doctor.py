"""`newswire doctor`: what is wrong with this installation and its broker."""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from newswire.pipeline.cli.common import set_up_logs
from newswire.pipeline.doctor import Finding, examine
from newswire.pipeline.settings import Settings, SettingsError, load_settings


# Not with_settings: a configuration that cannot be read is a finding here, beside the others.
@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="The configuration file (newswire.toml).")
@click.option("--namespace", help="The prefix of every topic (newswire).")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as one JSON object.")
def command(config: Path | None, namespace: str | None, as_json: bool) -> None:
    """Check Python, Java, the model, the state folder, the configuration, Kafka and its topics; change nothing.

    Exits with 1 when there is a fault.
    """
    settings, first = read_configuration(config, namespace)
    set_up_logs(settings)
    findings = [first, *asyncio.run(examine(settings))]
    if as_json:
        told = {"faults": faults(findings), "findings": [asdict(finding) for finding in findings]}
        click.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    else:
        for line in lines(findings):
            click.echo(line)
    sys.exit(1 if faults(findings) else 0)


def read_configuration(config: Path | None, namespace: str | None) -> tuple[Settings, Finding]:
    """The settings with what is to be said of them; when they cannot be read, the defaults and a fault."""
    overrides = {"namespace": namespace} if namespace is not None else {}
    try:
        settings = load_settings(config, **overrides)
    except SettingsError as error:
        advice = "Correct it; what follows was checked with the defaults."
        return Settings(), Finding("configuration", "fault", str(error), advice)
    file = config or Path("newswire.toml")
    source = str(file) if file.is_file() else "defaults (no newswire.toml here)"
    return settings, Finding("configuration", "ok", f"{source}, namespace {settings.namespace}")


def faults(findings: Sequence[Finding]) -> int:
    """How many of the findings are faults."""
    return sum(finding.level == "fault" for finding in findings)


def lines(findings: Sequence[Finding]) -> list[str]:
    """The findings for a person: a line each, what to do below it, and the sum."""
    told = []
    for finding in findings:
        told.append(f"{finding.level:<8} {finding.check:<14} {finding.text}")
        if finding.advice:
            told.append(f"{'':<8} {'':<14} -> {finding.advice}")
    warnings = sum(finding.level == "warning" for finding in findings)
    told.append(f"{faults(findings)} faults, {warnings} warnings")
    return told
