"""`newswire ledger --verify`: the wire against the oracle, told to a person or as JSON."""

import asyncio
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict

import click
import orjson

from newswire.pipeline.analysis.opening import open_analysis
from newswire.pipeline.analysis.results import ModelError
from newswire.pipeline.broker.connect import connect_to_wire
from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.enrich import EnrichError
from newswire.pipeline.settings import Settings
from newswire.pipeline.verify import Report, open_verifier

EXIT_HANGS = 70


def verify_wire(settings: Settings, trust_analysis: bool, as_json: bool) -> None:
    """Verify the wire of the settings' namespace and say what was found; exits with 1 when the guarantee is broken."""
    try:
        report = asyncio.run(_verify(settings, trust_analysis))
    except (BrokerError, EnrichError, ModelError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(orjson.dumps({"namespace": settings.namespace, "holds": report.holds, **asdict(report)}).decode())
    else:
        click.echo("\n".join(_lines(report)))
    for fault in report.faults:
        click.echo(f"broken: {fault}", err=True)
    if report.found > len(report.faults):
        click.echo(f"broken: {report.found - len(report.faults)} more", err=True)
    if not report.holds:
        sys.exit(1)


async def _verify(settings: Settings, trust_analysis: bool) -> Report:
    with nullcontext() if trust_analysis else open_analysis(settings.analyze, _hang) as runner:
        async with (
            connect_to_wire(settings) as connection,
            open_verifier(settings, connection, runner) as verifier,
        ):
            return await verifier.advance()


def _lines(report: Report) -> list[str]:
    lines = [f"raw\t{report.records} records followed, {report.in_flight} in flight"]
    lines += [f"{topic}\t{number} as they must be" for topic, number in report.compared.items()]
    notes = (
        (report.rebuilt, "of them were rebuilt from the archive, since retention had taken them from raw"),
        (report.recorded, "analyses were taken as they are recorded (another model or machine, or --trust-analysis)"),
        (report.excused, "records ended the process again and again, which no oracle foresees"),
        (report.strays, "strays of others, each with its dead letter"),
    )
    lines += [f"{number} {what}" for number, what in notes if number]
    lines += [report.partial] if report.partial else []
    return [*lines, "holds" if report.holds else f"broken: {report.found} faults"]


def _hang() -> None:
    click.echo("Error: one analysis took too long", err=True)
    os._exit(EXIT_HANGS)
