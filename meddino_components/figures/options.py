"""Options that the figure commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.volumes.dicom import GantryTilt
from ..embeddings import FrozenEncoder
from ..embeddings.encoders import Intensity
from ..errors import InputError
from ..pictures.blank_figure import require_matplotlib
from ..pictures.slice_choice import evenly_spaced
from .drawing import check_format
from .points import places_of, points_in_square
from .scan import Scan, Space, read_scan
from .scan_slice import ScanSlice
from .weights import weights_encoder


@dataclass(frozen=True, kw_only=True)
class FigureOptions:
    """Scan, encoder and output file of a figure.

    Args:
        scan: NIfTI, NRRD or MetaImage file, or the folder of a DICOM series.
        output: file to write, which ends in .png, .pdf or .svg.
        backbone: preset for random weights, such as vit_small; other weights determine it themselves.
        modality: ct or mr, which is never inferred; may be omitted for DICOM.
        window: grey levels, such as "[-160,240]"; default: soft tissue for CT, the intensity range of the body for MR.
        dpi: dots per inch of the figure.
        intensity: scan, or picture for weights trained on photographs; known encoders determine it themselves.
        seed: seed for random weights.
        amp: encode in bfloat16.
        device: device such as cpu; default: a GPU if available.
        series_uid: UID of the series to read if a DICOM folder contains several.
        gantry_tilt: refuse, or resample to interpolate a DICOM series with a gantry tilt.
    """

    scan: str
    output: str
    backbone: str | None = None
    modality: str | None = None
    window: Sequence[float] | None = None
    dpi: int = 300
    intensity: Intensity | None = None
    seed: int = 0
    amp: bool = False
    device: str | None = None
    series_uid: str | None = None
    gantry_tilt: GantryTilt = "refuse"

    def path(self) -> Path:
        """Return the file to write, and check it before anything is read."""
        path = check_format(Path(self.output))
        require_matplotlib("figures")
        return path

    def read(self) -> Scan:
        return read_scan(self.scan, modality=self.modality, series_uid=self.series_uid, gantry_tilt=self.gantry_tilt)

    def encoder(self, weights: str, like: str | None = None) -> FrozenEncoder:
        """Return the encoder with these weights; see `weights_encoder` for ``like``."""
        return weights_encoder(
            weights,
            backbone=self.backbone,
            like=like,
            intensity=self.intensity,
            seed=self.seed,
            amp=self.amp,
            device=self.device,
        )

    def grey_levels(self) -> tuple[float, float] | None:
        """Return the grey levels shown as black and white.

        Raises:
            InputError: ``window`` is not two increasing numbers.
        """
        if self.window is None:
            return None
        numbers = self.window if isinstance(self.window, (list, tuple)) else ()
        if len(numbers) != 2 or not all(isinstance(n, (int, float)) for n in numbers) or not numbers[0] < numbers[1]:
            raise InputError(f'window is {self.window!r}; expected two increasing grey levels, as in "[-160,240]"')
        return float(numbers[0]), float(numbers[1])


@dataclass(frozen=True, kw_only=True)
class PointOptions:
    """Slice to draw and query points for the similarity maps.

    Args:
        points: points in one slice, such as "[[60,50,88],[30,40,88]]".
        space: coordinate system of the points: voxel (indices from 0 along the file's axes) or mm (to the right,
            anterior and superior, RAS).
        slice: slice index, counted from 0 at the lowest slice; default: the slice of the points, or the middle slice.
        mask: restrict the figure to the body: refuse points outside it and colour only the body.
    """

    points: Sequence[Any] = ()
    space: Space = "voxel"
    slice: int | None = None
    mask: bool = True

    def chosen(self, scan: Scan, n_points: int) -> tuple[ScanSlice, Any]:
        """Return the slice and the points in its square.

        Args:
            scan: scan to draw.
            n_points: number of points to spread over the body if none are given.
        """
        places = places_of(scan, self.points, self.space, self.slice)
        if places:
            index = places[0].index
        else:
            index = middle_slice(scan) if self.slice is None else whole_numbers(self.slice, "slice")[0]
        shown = scan.slice(index)
        return shown, points_in_square(shown, places, n_points=n_points, mask=self.mask)


def middle_slice(scan: Scan) -> int:
    return evenly_spaced(scan.n_slices, 1)[0]


def whole_numbers(value: object, what: str) -> list[int]:
    """Return one or several integers from the command line as a list.

    Raises:
        InputError: the value is not an integer or a list of integers.
    """
    listed: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not listed or not all(isinstance(n, int) and not isinstance(n, bool) for n in listed):
        raise InputError(f'{what} is {value!r}; expected whole numbers, as in "[40,80]"')
    return listed
