"""What the commands share: the two options that each takes, and errors as one line with exit code 1."""

import contextlib
import functools
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import structlog

from newswire.pipeline.broker.errors import BrokerError
from newswire.pipeline.settings import Settings, SettingsError, load_settings


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--config` and `--namespace`, and call it with the one `settings` object."""

    @click.option("--config", type=click.Path(path_type=Path), help="The configuration file (newswire.toml).")
    @click.option("--namespace", help="The prefix of every topic (newswire).")
    @functools.wraps(function)
    def command(*args: Any, config: Path | None, namespace: str | None, **options: Any) -> Any:
        overrides = {"namespace": namespace} if namespace is not None else {}
        try:
            settings = load_settings(config, **overrides)
        except SettingsError as error:
            raise click.UsageError(str(error)) from None
        set_up_logs(settings)
        return function(*args, settings=settings, **options)

    return command


def set_up_logs(settings: Settings) -> None:
    """One line an event on standard error, as JSON or for people, from newswire and from its libraries."""
    level = logging.getLevelNamesMapping().get(settings.run.log_level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Any = (
        structlog.processors.JSONRenderer()
        if settings.run.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(LibraryRepeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                render,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("newswire").setLevel(level)
    logging.getLogger("mode").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


class LibraryRepeats(logging.Filter):
    """Lets a library say the same thing once in ten seconds: a Kafka client without its broker floods the log."""

    SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to let the record pass; newswire's own always do."""
        if record.name.startswith("newswire"):
            return True
        key, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._said.get(key, -self.SECONDS) < self.SECONDS:
            return False
        if len(self._said) > 1_000:
            self._said.clear()
        self._said[key] = now
        return True


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn a failure that the user can mend (no broker, wrong topics, a taken port) into one line and exit code 1."""
    try:
        yield
    except (BrokerError, OSError) as error:
        raise click.ClickException(str(error)) from None
