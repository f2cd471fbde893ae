"""The smallest box around several structures of a label map."""

from __future__ import annotations

from collections.abc import Sequence

Box = tuple[slice, slice, slice]


def joint_box(found: Sequence[Box | None]) -> Box:
    """Return the smallest box that holds all of them and one voxel more; an empty box if there are none.

    Args:
        found: boxes as `scipy.ndimage.find_objects` returns them, None for a label that is not there.
    """
    boxes = [box for box in found if box is not None]
    if not boxes:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    # a stop beyond the volume is allowed in a slice, a start below zero is not
    rows, columns, slices = (
        slice(max(0, min(s.start for s in axis) - 1), max(s.stop for s in axis) + 1)
        for axis in zip(*boxes, strict=True)
    )
    return rows, columns, slices
