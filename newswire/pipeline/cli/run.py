"""`newswire run`: the long-lived service."""

import asyncio
import signal

import click
import structlog

from newswire.pipeline.app.stages import ROLES
from newswire.pipeline.broker.connect import connect
from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor import running_service

log = structlog.get_logger(__name__)


@click.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="Run this role alone (may be given again); default: all.",
)
@click.option("--broker", help="embedded (the default), or the bootstrap servers of a Kafka: host:port,...")
@with_settings
def command(settings: Settings, roles: tuple[str, ...], broker: str | None) -> None:
    """Run poller and agents under a supervisor until SIGTERM or SIGINT."""
    if broker is not None:
        servers = None if broker == "embedded" else broker
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": servers})
        settings = settings.model_copy(update={"kafka": kafka})
    with one_line_errors():
        asyncio.run(serve(settings, roles))


async def serve(settings: Settings, roles: tuple[str, ...]) -> None:
    """Run the service until a signal says stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with connect(settings, keep=True) as connection, running_service(settings, connection, roles) as service:
        log.info(
            "service runs",
            namespace=settings.namespace,
            bootstrap_servers=connection.bootstrap_servers,
            health=f"http://{settings.run.host}:{service.port}/health",
        )
        await stop.wait()
        log.info("service stops", namespace=settings.namespace)
