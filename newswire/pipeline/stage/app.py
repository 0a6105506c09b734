"""Faust without Kafka: it carries the agents, their supervision and its sensors, and never a record of a topic."""

from typing import Any, Never

import faust
from faust.app.base import BootStrategy

from newswire.pipeline.stage.errors import fatal


class _NoKafka(BootStrategy):
    enable_kafka = False


class StageApp(faust.App):
    """A Faust app whose agents are fed by stages. Takes Faust's own settings; `id` names it.

    An exception in an agent ends the process: Faust would restart the agent and leave the batch hanging.
    """

    BootStrategy = _NoKafka

    def __init__(self, id: str, **options: Any) -> None:  # Faust's own name
        super().__init__(id, **{"autodiscover": False, "web_enabled": False, **options})

    def _create_directories(self) -> None:
        """Faust would make folders for its tables; there are none."""

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> Never:
        # app.agent() takes no on_error of its own
        fatal(exc, f"agent {agent.name}")
