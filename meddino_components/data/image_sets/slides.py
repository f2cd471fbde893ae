"""Slides with a table of their labels: whole-slide files, or folders of tiles."""

from __future__ import annotations

from pathlib import Path

from .image_set import ImageSet
from .labelled_table import TableOptions, samples_of_table
from .tiling import Tiling


def read_slides(root: str | Path, options: TableOptions, tiling: Tiling) -> ImageSet:
    """A set of slides from a CSV file, each a whole-slide file or a folder of tiles, see `slide_of`.

    Args:
        root: folder that the paths of the table start from.
        options: columns of the table, and how it is split.
        tiling: settings for cutting slides into tiles.

    Raises:
        InputError: see `read_labelled_table`.
    """
    return ImageSet(
        **samples_of_table(root, options),
        dimensions=2,
        modality="picture",
        allow_same_patient=options.allow_same_patient,
        tiling=tiling,
    )
