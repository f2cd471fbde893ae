"""Store slices of many volumes in one place: contents, reading, writing."""

from .store import SliceStore

__all__ = ["SliceStore"]
