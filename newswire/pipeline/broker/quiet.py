"""Silence for the Kafka client's own log while a failure is expected and reported by us."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


def _drop(_record: logging.LogRecord) -> bool:
    return False


@contextmanager
def quiet_aiokafka() -> Iterator[None]:
    """Within this block aiokafka logs nothing: it writes a stack trace or an error for each attempt that fails."""
    loggers = [logging.getLogger(name) for name in ("aiokafka.client", "aiokafka.conn", "aiokafka")]
    for logger in loggers:
        logger.addFilter(_drop)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_drop)
