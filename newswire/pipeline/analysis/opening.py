"""From the settings to a runner that analyses."""

from collections.abc import Callable

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.constant import ConstantAnalyzer
from newswire.pipeline.analysis.encoder import MODEL_FOLDER
from newswire.pipeline.analysis.inference import InferenceRunner
from newswire.pipeline.analysis.results import ArticleAnalyzer
from newswire.pipeline.settings import AnalyzeSettings


def open_analysis(settings: AnalyzeSettings, on_hang: Callable[[], None]) -> InferenceRunner:
    """The encoder that the settings name (or the stated constant), in a thread of its own under a watchdog.

    `on_hang` is called from the watchdog's thread when one analysis takes longer than `hang_seconds`; it should end the
    process. Raises ModelError when the model's files are missing or damaged.
    """
    analyzer: ArticleAnalyzer = (
        ConstantAnalyzer(settings.constant_ms)
        if settings.constant_ms is not None
        else Analyzer.load(settings.model or MODEL_FOLDER, threads=settings.threads)
    )
    return InferenceRunner(analyzer, settings.hang_seconds, on_hang)
