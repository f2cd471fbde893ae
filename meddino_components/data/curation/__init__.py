"""Scans of many kinds to one slice store: sources, exclusions, workers, report."""

from .run import curate

__all__ = ["curate"]
