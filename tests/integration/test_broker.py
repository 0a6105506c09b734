"""The embedded broker as a process: started once, found again, recovered, ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Kafka

pytestmark = pytest.mark.broker


def test_kafka_answers(kafka: Kafka) -> None:
    assert kafka.broker.status() is not None
