"""The supervisor: the processes of a service, started, watched, started again and stopped together."""

from newswire.pipeline.supervisor.child import ChildState
from newswire.pipeline.supervisor.service import AlreadyRunning, Service, running_service

__all__ = ["AlreadyRunning", "ChildState", "Service", "running_service"]
