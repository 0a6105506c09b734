"""Raw articles to clean ones: HTML to text, language, times, identity and revision."""

from newswire.pipeline.text.prepare import PrepareStep

__all__ = ["PrepareStep"]
