"""From the settings to a runner that analyses."""

from collections.abc import Callable

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.constant import ConstantAnalyzer
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from newswire.pipeline.analysis.huggingface import HuggingFaceClassifier, HuggingFaceTagger
from newswire.pipeline.analysis.inference import InferenceRunner
from newswire.pipeline.analysis.results import ArticleAnalyzer
from newswire.pipeline.analysis.second_level import SecondLevel
from newswire.pipeline.analysis.topics import Taxonomy
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
    folder = settings.model or MODEL_FOLDER
    encoder = Encoder.load(folder, settings.threads)
    taxonomy = Taxonomy.load()
    tagger = (
        HuggingFaceTagger(settings.entities, encoder.settings.labels, settings.threads) if settings.entities else None
    )
    classifier = HuggingFaceClassifier(settings.topics, taxonomy.names, settings.threads) if settings.topics else None
    blended = encoder.settings.blend is not None and classifier is None
    concepts = Concepts.load(folder) if blended or settings.second_level else None
    second_level = SecondLevel(concepts) if concepts is not None and settings.second_level else None
    return Analyzer(encoder, taxonomy, concepts, tagger, classifier, settings.topic_min, second_level)
