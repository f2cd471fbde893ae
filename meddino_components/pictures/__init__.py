"""Draw volumes and labels: blank figures, the choice of slices, radiological views, overlays and comparisons."""

from .overlay import write_overlay

__all__ = ["write_overlay"]
