"""Pictures of volumes and labels: empty figures, slices chosen, shown as a radiologist sees them, overlays."""

from .overlay import write_overlay

__all__ = ["write_overlay"]
