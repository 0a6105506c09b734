"""From the settings to a runner that analyses."""

from collections.abc import Callable

from newswire.pipeline.analysis.analyze import Analyzer, Taxonomy
from newswire.pipeline.analysis.constant import ConstantAnalyzer
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from newswire.pipeline.analysis.huggingface import HuggingFaceClassifier, HuggingFaceTagger
from newswire.pipeline.analysis.inference import InferenceRunner
from newswire.pipeline.analysis.results import ArticleAnalyzer
from newswire.pipeline.analysis.second_level import SecondLevel
from newswire.pipeline.settings import AnalyzeSettings


def open_analysis(settings: AnalyzeSettings, on_hang: Callable[[], None]) -> InferenceRunner:
    """The models that the settings name (or the stated constant), in a thread of its own under a watchdog.

    `on_hang` is called from the watchdog's thread when one analysis takes longer than `hang_seconds`; it should end the
    process. Raises ModelError when a model's files are missing or damaged.
    """
    return InferenceRunner(_analyzer(settings), settings.hang_seconds, on_hang)


def _analyzer(settings: AnalyzeSettings) -> ArticleAnalyzer:
    if settings.constant_ms is not None:
        return ConstantAnalyzer(settings.constant_ms)
    encoder = Encoder.load(settings.model or MODEL_FOLDER, settings.threads)
    taxonomy = Taxonomy.load()
    tagger = (
        HuggingFaceTagger(settings.entities, encoder.settings.labels, settings.threads) if settings.entities else None
    )
    classifier = HuggingFaceClassifier(settings.topics, taxonomy.names, settings.threads) if settings.topics else None
    second_level = SecondLevel.load(settings.model or MODEL_FOLDER) if settings.second_level else None
    return Analyzer(encoder, taxonomy, tagger, classifier, settings.topic_min, second_level)
