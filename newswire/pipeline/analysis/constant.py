"""An analyzer that takes a stated time and finds nothing: for load tests of everything around the model."""

import time

from newswire.pipeline.analysis.results import EMPTY_EMBEDDING, Analysis


class ConstantAnalyzer:
    """Has the interface of `Analyzer`. Every article costs `milliseconds` of waiting and has no topics or entities."""

    name = "constant"
    taxonomy = "none"

    def __init__(self, milliseconds: float) -> None:
        """Raises ValueError for a negative time."""
        if milliseconds < 0:
            raise ValueError("the time of an analysis cannot be negative")
        self._seconds = milliseconds / 1000.0

    def analyze(self, title: str, text: str) -> Analysis:
        """Wait, and give an empty analysis."""
        time.sleep(self._seconds)
        return Analysis((), (), EMPTY_EMBEDDING)
