"""The number in label maps that belongs to no class."""

IGNORE = 255
"""Label of voxels that nobody annotated: they count neither in the loss nor in a score."""
