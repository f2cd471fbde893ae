"""Describe pictures of a segmented case that a configuration adds to the overlay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

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
