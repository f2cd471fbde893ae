"""Describe what pictures of a segmented case show, and the pictures that a configuration adds to the overlay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from ..data.volumes.grids import as_on_grid
from ..data.volumes.regions import Regions
from ..errors import InputError
from ..pictures.overlay import region_labels
from ..pictures.page_view import axcodes_of

_NAME = re.compile(r"[A-Za-z]\w{0,40}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class DrawnCase:
    """A case to be drawn. Rows, columns and slices (H, W, D) are those of the network's input.

    Attributes:
        case_id: id of the case.
        images: channels to show by name, each [H, W, D] in the units of the preprocessed image.
        labels: label map [H, W, D]; 0 is the background.
        label_names: names by label.
        spacing_mm: spacing of rows, columns and slices in mm.
        axcodes: directions of rows, columns and slices, such as PLS.
    """

    case_id: str
    images: Mapping[str, NDArray[np.floating[Any]]]
    labels: NDArray[np.uint8]
    label_names: Mapping[int, str]
    spacing_mm: tuple[float, ...]
    axcodes: str


def drawn_case(
    image: MetaTensor,
    labels: NDArray[np.uint8],
    *,
    case_id: str,
    label_names: Mapping[int, str],
    channels: Mapping[str, int],
) -> DrawnCase:
    """Return the case for drawing, with labels on the slices of the network's input.

    Args:
        image: preprocessed image [C, H, W, D].
        labels: label map [X, Y, Z] on the grid of the source.
        case_id: name of the case.
        label_names: names by label.
        channels: numbers of the channels that are shown, by name.
    """
    affine = np.asarray(image.affine.cpu(), dtype=np.float64)
    source_affine = np.asarray(image.meta["original_affine"], dtype=np.float64)
    volumes = image.as_tensor().cpu().numpy()
    return DrawnCase(
        case_id=case_id,
        images={name: volumes[number] for name, number in channels.items()},
        labels=as_on_grid(labels, source_affine, affine, volumes.shape[1:]),
        label_names=label_names,
        spacing_mm=tuple(float(side) for side in np.linalg.norm(affine[:3, :3], axis=0)),
        axcodes=axcodes_of(affine),
    )


class CasePicture(Protocol):
    """A picture of each case.

    Attributes:
        name: name of the picture; the file is called ``<case_id>_<name>.png``.
    """

    name: str

    def draw(self, path: Path, case: DrawnCase) -> None:
        """Write the PNG."""
        ...


def pictures_by_name(pictures: Sequence[CasePicture]) -> dict[str, CasePicture]:
    """Return the pictures by name.

    Raises:
        InputError: two have the same name, or a name cannot be part of a file's name.
    """
    found = {picture.name: picture for picture in pictures}
    wrong = [name for name in found if not _NAME.fullmatch(name)]
    if wrong or len(found) < len(pictures):
        names = ", ".join(repr(picture.name) for picture in pictures)
        raise InputError(f"pictures are called {names}: give each its own name of letters, digits and underscores")
    return found


def image_to_draw(images: Mapping[str, NDArray[Any]]) -> NDArray[Any] | Mapping[str, NDArray[Any]]:
    """Return the channels by name, or the channel itself if there is only one, which needs no name in a picture."""
    return images if len(images) > 1 else next(iter(images.values()))


def in_region_colours(regions: Regions, labels: NDArray[Any]) -> tuple[NDArray[np.uint8], list[int]]:
    """Number the innermost region of each voxel by `region_labels`, so that pictures look the same for every year.

    Returns:
        the numbered labels, and the number of each region from the outermost inwards.
    """
    numbers = region_labels(len(regions.names))
    return np.array((0, *numbers), np.uint8)[regions.innermost(labels)], list(numbers)


def shown_numbers(channel_names: Sequence[str], shown: Sequence[str] | None) -> dict[str, int]:
    """Return the channels to draw by name; the first one if none is named.

    Raises:
        InputError: a channel does not exist.
    """
    numbers = {str(name): number for number, name in enumerate(channel_names)}
    chosen = [str(name) for name in (shown or list(numbers)[:1])]
    if missing := [name for name in chosen if name not in numbers]:
        raise InputError(f"shown_channels names {missing[0]!r}; expected some of {', '.join(numbers)}")
    return {name: numbers[name] for name in chosen}
