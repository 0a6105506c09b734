"""Copies, updates and news, told apart in the order of the wire."""

from newswire.pipeline.duplicates.step import DeduplicateStep

__all__ = ["DeduplicateStep"]
