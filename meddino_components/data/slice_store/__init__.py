"""Slices of many volumes in one store: what it holds, reading, writing."""

from .store import SliceStore

__all__ = ["SliceStore"]
