"""Find the nested regions of a data set: those of its layout, or those of a stated label convention."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import InputError
from ..volumes.regions import Regions
from .brats_labels import brats_regions
from .kits23 import KITS23_REGIONS
from .layouts import KNOWN, find_layout

OF_DATA_SET = "data_set"
"""Convention of a data set that defines its regions itself, as nnU-Net's does."""

_NAMED = {regions.convention: regions for regions in (KITS23_REGIONS,)}


def is_known_convention(convention: str) -> bool:
    """Return whether `regions_of_convention` knows a convention; regions of a data set have a name of their own."""
    try:
        regions_of_convention(convention)
    except InputError:
        return False
    return True


def regions_of_convention(convention: str) -> Regions:
    """Return the regions of a label convention: ``kits23``, or one of `brats_regions`.

    Raises:
        InputError: the convention is unknown.
    """
    return _NAMED[convention] if convention in _NAMED else brats_regions(convention)


def data_set_regions(
    *, dataset_dir: str | os.PathLike[str] = "", layout: str | None = None, convention: str = OF_DATA_SET
) -> Regions:
    """Return the nested regions that a data set or a label convention defines.

    Args:
        dataset_dir: folder of the data set; empty for a run that is given its cases.
        layout: layout of the data set, see `read_datalist`.
        convention: label convention, which must match the regions of the data set; `OF_DATA_SET` uses the latter.

    Raises:
        InputError: the convention is unknown or contradicts the data set, or nothing defines regions.
    """
    stated = None if convention == OF_DATA_SET else regions_of_convention(convention)
    found = _of_layout(dataset_dir, layout)
    if found is None and stated is None:
        raise InputError(
            f"{os.fspath(dataset_dir) or 'dataset_dir is empty'}: the layout '{layout}' defines no regions. Set "
            "label_convention to that of the data set, or use a bundle with classes, such as meddinov3_seg_amos."
        )
    if found is not None and stated is not None and (found.members, found.written) != (stated.members, stated.written):
        raise InputError(
            f"{os.fspath(dataset_dir)}: has the regions {_shown(found)}, but label_convention is '{convention}': "
            f"{_shown(stated)}. Correct label_convention ({OF_DATA_SET} takes the regions of the data set), or give "
            "another data set."
        )
    return stated or found  # type: ignore[return-value]


def _of_layout(dataset_dir: str | os.PathLike[str], layout: str | None) -> Regions | None:
    if not os.fspath(dataset_dir) and layout is None:
        return None
    regions = KNOWN[find_layout(dataset_dir, layout)].regions
    return None if regions is None else regions(Path(dataset_dir).expanduser().absolute())


def _shown(regions: Regions) -> str:
    return ", ".join(
        f"{name} ({', '.join(map(str, labels))})" for name, labels in zip(regions.names, regions.members, strict=True)
    )
