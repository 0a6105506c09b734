"""The mark of tests that need torch: they run in `make test-torch` and are skipped where it is not installed."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest


def with_torch(test: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a test as one that needs torch."""
    missing = importlib.util.find_spec("torch") is None
    marked: Callable[..., Any] = pytest.mark.torch(
        pytest.mark.skipif(missing, reason="needs torch: make test-torch")(test)
    )
    return marked
