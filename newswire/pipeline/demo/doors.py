"""The demo's doors to the rest of newswire, as `newswire run` and `newswire ledger` use it."""

from newswire.pipeline.broker.connect import connect
from newswire.pipeline.connection import Connection
from newswire.pipeline.demo.driver import Doors
from newswire.pipeline.ledger.balance import Ledger
from newswire.pipeline.ledger.read import read_ledger
from newswire.pipeline.settings import Settings
from newswire.pipeline.supervisor import running_service


def real_doors() -> Doors:
    """The embedded (or configured) Kafka, the real service, the real ledger."""
    return Doors(connect=connect, serve=running_service, read_ledger=_read_ledger)


async def _read_ledger(settings: Settings, connection: Connection) -> Ledger:
    return await read_ledger(connection.bootstrap_servers, connection.options, settings.namespace)
