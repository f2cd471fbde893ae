"""Slides with a table of their labels: whole-slide files, or folders of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .image_set import ImageSet
from .labelled_table import samples_of_table
from .tiling import Tiling


def read_slides(
    root: str | Path,
    *,
    table: str | Path,
    path_column: str,
    class_column: str | None = None,
    label_columns: Sequence[str] | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    fractions: Sequence[float] | None = None,
    val_fraction: float | None = None,
    seed: int = 0,
    allow_missing: bool = False,
    allow_same_patient: bool = False,
    tile_px: int = 224,
    mpp: float = 0.5,
    unstated_mpp: float | None = None,
    tissue_share: float = 0.25,
    max_tiles: int | None = None,
) -> ImageSet:
    """A set of slides from a CSV file, each a whole-slide file or a folder of tiles, see `slide_of`.

    Args:
        root: folder that the paths of the table start from.
        table, path_column, class_column, label_columns, patient_column, split_column, fractions, val_fraction,
            allow_missing, allow_same_patient: see `read_labelled_table`.
        seed: of splits that are made here, and of ``max_tiles``.
        tile_px, mpp, unstated_mpp, tissue_share, max_tiles: see `Tiling`.

    Raises:
        InputError: see `read_labelled_table` and `Tiling`.
    """
    labelled = samples_of_table(
        root,
        table=table,
        path_column=path_column,
        class_column=class_column,
        label_columns=label_columns,
        patient_column=patient_column,
        split_column=split_column,
        fractions=fractions,
        val_fraction=val_fraction,
        seed=seed,
        allow_missing=allow_missing,
    )
    return ImageSet(
        name=labelled.name,
        samples=labelled.samples,
        label_names=labelled.label_names,
        multi_label=labelled.multi_label,
        dimensions=2,
        modality="picture",
        allow_same_patient=allow_same_patient,
        tiling=Tiling(
            tile_px=tile_px,
            mpp=mpp,
            unstated_mpp=unstated_mpp,
            tissue_share=tissue_share,
            max_tiles=max_tiles,
            seed=seed,
        ),
    )
