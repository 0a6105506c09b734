"""`newswire prepare`: once on a machine, what the first start would else wait for."""

import click

from newswire.pipeline.cli.common import one_line_errors, with_settings
from newswire.pipeline.settings import Settings


@click.command()
@with_settings
def command(settings: Settings) -> None:
    """Compile what is compiled, and for the embedded Kafka fetch its jars and make the cache that Java starts from.

    All of it is kept in the user's cache folder; what is there already is not made again.
    """
    from newswire.pipeline.duplicates.warm import compile_all

    compile_all()
    click.echo("compiled")
    if settings.kafka.bootstrap_servers is not None:
        return
    from newswire.pipeline.broker.aot import aot_flags
    from newswire.pipeline.broker.jars import ensure_jars
    from newswire.pipeline.broker.java import find_java

    with one_line_errors():
        java, jars = find_java(), ensure_jars()
        cached = aot_flags(java, jars)
    click.echo(f"{len(jars)} jars in {jars[0].parent}, {'and' if cached else 'no'} start-up cache")
