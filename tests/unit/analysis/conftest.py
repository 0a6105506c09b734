"""One loaded model for all tests of the package."""

import pytest

from newswire.pipeline.analysis import Analyzer


@pytest.fixture(scope="session")
def analyzer() -> Analyzer:
    return Analyzer.load()
