"""Small slides: whole-slide files as pyramids, and folders of tiles."""

import numpy as np
import pytest
from PIL import Image

GLASS, PALE, DARK = (242, 240, 243), (225, 150, 200), (120, 40, 150)  # stained with haematoxylin and eosin


def require_slide_libraries():
    """Skip where the extra is not installed."""
    pytest.importorskip("openslide", reason="needs meddino[slides]")
    pytest.importorskip("skimage", reason="needs meddino[slides]")
    return pytest.importorskip("tifffile", reason="writes the slides of the tests")


def section(size, tissue, seed=0, colours=PALE):
    """Pixels [H, W, 3] of glass with noise, and rectangles (top, left, bottom, right) of tissue with a texture."""
    rng = np.random.default_rng(seed)
    pixels = np.array(GLASS) + rng.integers(-2, 3, (*size, 3))
    for top, left, bottom, right in tissue:
        shape = (bottom - top, right - left)
        pixels[top:bottom, left:right] = np.array(colours) + rng.integers(-12, 13, (*shape, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def write_slide(path, pixels, *, mpp=0.5, factors=(1, 4)):
    """A tiled TIFF with a level for each factor; without a resolution where ``mpp`` is None."""
    tifffile = require_slide_libraries()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path) as tiff:
        for factor in factors:
            height, width = (n // factor * factor for n in pixels.shape[:2])
            blocks = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
            resolution = {}
            if mpp is not None:
                per_cm = 1e4 / (mpp * factor)
                resolution = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
            tiff.write(
                blocks.mean(axis=(1, 3)).round().astype(np.uint8),
                tile=(64, 64),
                photometric="rgb",
                compression=None,
                subfiletype=int(factor > 1),
                **resolution,
            )
    return path


def write_tiles(folder, tiles):
    """Pictures [H, W, 3] of a folder, by name."""
    folder.mkdir(parents=True)
    for name, pixels in tiles.items():
        Image.fromarray(pixels).save(folder / name)
    return folder
