"""Collect scans of many kinds in one slice store: sources, exclusions, workers, report."""

from .run import curate

__all__ = ["curate"]
