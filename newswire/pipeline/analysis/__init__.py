"""Topics, named entities and the embedding of an article in one pass of the news encoder."""

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.constant import ConstantAnalyzer
from newswire.pipeline.analysis.encoder import MODEL_FOLDER, Encoder
from newswire.pipeline.analysis.inference import InferenceRunner
from newswire.pipeline.analysis.results import Analysis, ArticleAnalyzer, Entity, ModelError, Topic

__all__ = [
    "MODEL_FOLDER",
    "Analysis",
    "Analyzer",
    "ArticleAnalyzer",
    "ConstantAnalyzer",
    "Encoder",
    "Entity",
    "InferenceRunner",
    "ModelError",
    "Topic",
]
