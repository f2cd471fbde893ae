"""A slide as tiles, read one at a time: a whole-slide file, or a folder of tiles that were cut before.

C channels, H rows, W columns, n tiles.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ...project import extra
from ..volumes.file_checks import check_is_image_file
from ..volumes.found_folders import is_left_over
from ..volumes.itk_header import last_line
from .pictures import FloatArray, read_picture_file
from .tiling import Origins, Tiling
from .tissue import tissue_mask

_TILE_SUFFIXES = (".png", ".jpg", ".jpeg")
_PIXELS_OF_TILE = 16  # side of a tile on the overview that tissue is found on
_LARGEST_LEVEL = 2**28  # pixels read at once
_FINER_THAN_SCANNED = 1.1  # so much a tile may be enlarged, as 0.5 microns are never exactly that


class Slide(Protocol):
    """Interface of a slide, which can be sent to other processes."""

    def find_tiles(self) -> Origins:
        """Return the positions of its tiles, [n, 2] with n at least 1."""

    def read_tile(self, origin: npt.NDArray[np.int32]) -> FloatArray:
        """One tile [C, H, W] in 0..1, of the origin [2]."""


def slide_of(path: str | Path, tiling: Tiling) -> TileFolder | WholeSlide:
    """A folder of tiles or a whole-slide file, not yet read."""
    path = Path(path)
    return TileFolder(path, tiling) if path.is_dir() else WholeSlide(path, tiling)


class TileFolder:
    """A folder with the tiles of one slide as PNG or JPEG, of any names and sizes.

    Args:
        path: path of the folder; other files in it and folders below it are ignored.
        tiling: see `Tiling`.
    """

    def __init__(self, path: Path, tiling: Tiling) -> None:
        self.path, self._tiling = path, tiling
        self._names: Sequence[str] | None = None

    def find_tiles(self) -> Origins:
        """Raises InputError where there is none."""
        names = self._sorted_names()
        if not names:
            raise InputError(f"{self.path}: no tile in this folder; expected {', '.join(_TILE_SUFFIXES)}.")
        numbers = np.arange(len(names), dtype=np.int32)
        return self._tiling.drawn(np.stack((numbers, np.zeros_like(numbers)), axis=1))

    def read_tile(self, origin: npt.NDArray[np.int32]) -> FloatArray:
        """Raises InputError where the picture cannot be read."""
        return read_picture_file(self.path / self._sorted_names()[int(origin[0])])

    def _sorted_names(self) -> Sequence[str]:
        if self._names is None:
            names = (name for name in os.listdir(self.path) if not is_left_over(Path(self.path, name)))
            self._names = sorted(name for name in names if name.lower().endswith(_TILE_SUFFIXES))
        return self._names


class WholeSlide:
    """A whole-slide file by OpenSlide, or a picture that Pillow can hold in memory as a whole.

    Tiles stand on a grid from the upper left corner; what is left over on the right and below is not looked at. They
    come from the level next above their resolution, transparent parts filled with the slide's background.

    Not MONAI's `WSIReader`: for its `mpp` it wants a level of that resolution in the file, and its TIFF backend reads
    the whole level for every tile.

    Args:
        path: path of the file.
        tiling: see `Tiling`.
    """

    def __init__(self, path: Path, tiling: Tiling) -> None:
        self.path, self._tiling = path, tiling
        self._handle: Any = None
        self._process = 0  # that opened the handle

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the highest level.

        Raises:
            InputError: the file cannot be read.
        """
        width, height = self._opened().dimensions
        return int(width), int(height)

    def tile_size(self) -> tuple[float, float]:
        """Width and height of a tile in pixels of the highest level.

        Raises:
            InputError: the file cannot be read, does not state its microns per pixel, or is coarser than wanted.
        """
        sizes = []
        for axis in "xy":
            mpp = _number(self._opened().properties.get(f"openslide.mpp-{axis}")) or self._tiling.unstated_mpp
            if mpp is None:
                raise InputError(
                    f"{self.path}: does not state its microns per pixel. Set unstated_mpp to those of the scanner, "
                    "such as 0.25 for a magnification of 40; it counts for all slides that state none."
                )
            if self._tiling.mpp * _FINER_THAN_SCANNED < mpp:
                raise InputError(
                    f"{self.path}: has {mpp:g} microns per pixel, coarser than mpp, which is {self._tiling.mpp:g}. "
                    "Leave it out, or set mpp so that all slides have it."
                )
            sizes.append(self._tiling.tile_px * self._tiling.mpp / mpp)
        return sizes[0], sizes[1]

    def find_tiles(self) -> Origins:
        """Tiles that show enough tissue, row by row.

        Raises:
            InputError: see `tile_size`; no level is small enough for an overview; or no tile shows tissue.
        """
        width, height = self.tile_size()
        whole = self.size()
        columns, rows = int(whole[0] // width), int(whole[1] // height)
        if not columns or not rows:
            raise InputError(
                f"{self.path}: {whole[0]} x {whole[1]} pixels are less than a tile, {width:.0f} x {height:.0f}."
            )
        overview = self._region(
            (0, 0), (columns * width, rows * height), (columns * _PIXELS_OF_TILE, rows * _PIXELS_OF_TILE)
        )
        mask = tissue_mask(np.asarray(overview))
        shares = mask.reshape(rows, _PIXELS_OF_TILE, columns, _PIXELS_OF_TILE).mean(axis=(1, 3))
        of_rows, of_columns = np.nonzero(shares >= self._tiling.tissue_share)
        if not len(of_rows):
            raise InputError(f"{self.path}: no tile shows tissue on {self._tiling.tissue_share:.0%} of it.")
        corners = np.stack((of_columns * width, of_rows * height), axis=1)
        return self._tiling.drawn(corners.round().astype(np.int32))

    def read_tile(self, origin: npt.NDArray[np.int32]) -> FloatArray:
        """Raises InputError where it cannot be read."""
        corner = (int(origin[0]), int(origin[1]))
        tile = self._region(corner, self.tile_size(), (self._tiling.tile_px, self._tiling.tile_px))
        return np.moveaxis(np.asarray(tile, dtype=np.float32), -1, 0) / np.float32(255)

    def thumbnail(self, longest_px: int) -> npt.NDArray[np.uint8]:
        """The whole slide [H, W, 3], the longer side of ``longest_px``.

        Raises:
            InputError: it cannot be read.
        """
        width, height = self.size()
        shrunk = longest_px / max(width, height)
        size = max(1, round(width * shrunk)), max(1, round(height * shrunk))
        return np.asarray(self._region((0, 0), (width, height), size))

    def _region(self, corner: tuple[int, int], extent: tuple[float, float], size: tuple[int, int]) -> Any:
        """An RGB picture of ``size`` of what is at ``corner``, of an extent in pixels of the highest level; (x, y)."""
        from PIL import Image

        handle = self._opened()
        # a hundredth more, since levels are never exactly 4 or 16 times smaller
        level = handle.get_best_level_for_downsample(1.01 * min(e / s for e, s in zip(extent, size, strict=True)))
        within = [max(1, round(e / handle.level_downsamples[level])) for e in extent]
        if within[0] * within[1] > _LARGEST_LEVEL:
            raise InputError(
                f"{self.path}: has no level of fewer than {within[0]} x {within[1]} pixels to look for tissue on. "
                "Write it as a pyramid, for instance with libvips."
            )
        try:
            region = handle.read_region(corner, level, (within[0], within[1]))
            background = handle.properties.get("openslide.background-color", "ffffff")
            picture = Image.new("RGB", region.size, f"#{background}")
            picture.paste(region, mask=region.getchannel("A"))
        # OpenSlide's and Pillow's decoders raise errors of any kind
        except Exception as error:
            raise self._unreadable(error) from error
        return picture.resize(size, Image.Resampling.BILINEAR)

    def _opened(self) -> Any:
        if self._handle is None or self._process != os.getpid():  # a handle is not shared with forked processes
            check_is_image_file(self.path)
            try:
                from openslide import open_slide
            except ImportError as error:
                raise InputError(f"reading whole-slide files needs OpenSlide: {extra('slides')}") from error
            try:
                self._handle, self._process = open_slide(self.path), os.getpid()
            except Exception as error:
                raise self._unreadable(error) from error
        return self._handle

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.path}: cannot be read as a slide ({last_line(error)}). Expected a format that OpenSlide knows; if "
            "it is one, it is truncated or damaged: copy or download it again."
        )


def _number(text: str | None) -> float | None:
    """Return a stated value if it is a positive number."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < np.inf else None
