"""The commands ``python -m meddino_components figure ...``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..checkpoints import RANDOM
from ..data.volumes.dicom import GantryTilt
from ..embeddings.encoders import Intensity
from ..errors import InputError
from ..pictures.blank_figure import require_matplotlib
from ..pictures.slice_choice import evenly_spaced
from .checkpoints import draw_checkpoints
from .drawing import check_format
from .points import places_of, points_in_square
from .resolutions import draw_resolutions
from .scan import Scan, Space, read_scan
from .scan_slice import Place
from .similarity import draw_similarity
from .weights import list_weights, weights_encoder


def figure_resolutions(
    scan: str,
    output: str,
    weights: str,
    backbone: str | None = None,
    modality: str | None = None,
    slices: int | Sequence[int] | None = None,
    sizes: int | Sequence[int] = (256, 512, 1024),
    reference: int | None = None,
    mask: bool = True,
    window: Sequence[float] | None = None,
    dpi: int = 300,
    intensity: Intensity | None = None,
    seed: int = 0,
    amp: bool = False,
    device: str | None = None,
    series_uid: str | None = None,
    gantry_tilt: GantryTilt = "refuse",
) -> str:
    """Draw slices beside their principal components as colours at rising input resolution.

    Args:
        scan: a NIfTI, NRRD or MetaImage file, or the folder of a DICOM series.
        output: ends in .png, .pdf or .svg.
        weights: a file of any known format, a known encoder such as meddinov3-b, hf://owner/name, or random.
        backbone: of random weights, such as vit_small; other weights say it themselves.
        modality: ct or mr, never guessed; may be left out for DICOM.
        slices: indices from 0 at the lowest, "[40,80]"; the middle one if left out.
        sizes: sides of the input in pixels, multiples of the patch size, "[256,512,1024,2048]".
        reference: the size whose components are the colours of all; the middle one if left out.
        mask: colour the body alone.
        window: grey levels, "[-160,240]"; soft tissue for CT and the body's range for MR if left out.
        dpi: of the figure.
        intensity: scan, or picture for weights trained on photographs; known encoders say it themselves.
        seed: of random weights.
        amp: encode in bfloat16.
        device: such as cpu; a GPU where there is one if left out.
        series_uid: which series of a DICOM folder that holds several.
        gantry_tilt: resample, to have a tilted DICOM series interpolated.
    """
    path = check_format(Path(output))
    require_matplotlib("figures")
    read = read_scan(scan, modality=modality, series_uid=series_uid, gantry_tilt=gantry_tilt)
    chosen = evenly_spaced(read.n_slices, 1) if slices is None else whole_numbers(slices, "slices")
    encoder = weights_encoder(weights, backbone=backbone, intensity=intensity, seed=seed, amp=amp, device=device)
    draw_resolutions(
        path,
        encoder=encoder,
        slices=[read.slice(k) for k in chosen],
        sizes_px=whole_numbers(sizes, "sizes"),
        reference_px=reference,
        mask=mask,
        window=grey_levels(window),
        dpi=dpi,
    )
    return f"wrote {path}"


def figure_similarity(
    scan: str,
    output: str,
    weights: str,
    backbone: str | None = None,
    modality: str | None = None,
    points: Sequence[Any] = (),
    space: Space = "voxel",
    n_points: int = 3,
    slice: int | None = None,
    size: int = 1024,
    mask: bool = True,
    window: Sequence[float] | None = None,
    dpi: int = 300,
    intensity: Intensity | None = None,
    seed: int = 0,
    amp: bool = False,
    device: str | None = None,
    series_uid: str | None = None,
    gantry_tilt: GantryTilt = "refuse",
) -> str:
    """Draw the cosine similarity of a slice's features to chosen points.

    Args:
        scan: a NIfTI, NRRD or MetaImage file, or the folder of a DICOM series.
        output: ends in .png, .pdf or .svg.
        weights: a file of any known format, a known encoder such as meddinov3-b, hf://owner/name, or random.
        backbone: of random weights, such as vit_small; other weights say it themselves.
        modality: ct or mr, never guessed; may be left out for DICOM.
        points: of one slice, "[[60,50,88],[30,40,88]]".
        space: of the points: voxel, indices from 0 on the file's axes; mm, to the right, anterior and superior (RAS).
        n_points: how many to spread over the body where none are given.
        slice: index from 0 at the lowest; that of the points, or the middle one, if left out.
        size: side of the input in pixels, a multiple of the patch size, up to 2048 and beyond.
        mask: refuse points outside the body.
        window: grey levels, "[-160,240]"; soft tissue for CT and the body's range for MR if left out.
        dpi: of the figure.
        intensity: scan, or picture for weights trained on photographs; known encoders say it themselves.
        seed: of random weights.
        amp: encode in bfloat16.
        device: such as cpu; a GPU where there is one if left out.
        series_uid: which series of a DICOM folder that holds several.
        gantry_tilt: resample, to have a tilted DICOM series interpolated.
    """
    path = check_format(Path(output))
    require_matplotlib("figures")
    read = read_scan(scan, modality=modality, series_uid=series_uid, gantry_tilt=gantry_tilt)
    places = places_of(read, points, space, slice)
    shown = read.slice(slice_index(read, places, slice))
    in_square = points_in_square(shown, places, n_points=n_points, mask=mask)
    encoder = weights_encoder(weights, backbone=backbone, intensity=intensity, seed=seed, amp=amp, device=device)
    draw_similarity(
        path,
        encoder=encoder,
        slice_=shown,
        points=in_square,
        size_px=whole_numbers(size, "size")[0],
        window=grey_levels(window),
        dpi=dpi,
    )
    return f"wrote {path}"


def figure_checkpoints(
    scan: str,
    output: str,
    weights: str | Sequence[str],
    backbone: str | None = None,
    modality: str | None = None,
    points: Sequence[Any] = (),
    space: Space = "voxel",
    n_points: int = 1,
    slice: int | None = None,
    size: int = 512,
    mask: bool = True,
    window: Sequence[float] | None = None,
    dpi: int = 300,
    intensity: Intensity | None = None,
    seed: int = 0,
    amp: bool = False,
    device: str | None = None,
    series_uid: str | None = None,
    gantry_tilt: GantryTilt = "refuse",
) -> str:
    """Draw one slice over checkpoints: principal components as colours and similarity to a point, a row a checkpoint.

    Args:
        scan: a NIfTI, NRRD or MetaImage file, or the folder of a DICOM series.
        output: ends in .png, .pdf or .svg.
        weights: files in the order of the rows and patterns for several, with commas between them; random is a control:
            "random,run/teachers/*.safetensors".
        backbone: of random weights, such as vit_small; without it they are of the architecture of the last others.
        modality: ct or mr, never guessed; may be left out for DICOM.
        points: of one slice, "[[60,50,88]]".
        space: of the points: voxel, indices from 0 on the file's axes; mm, to the right, anterior and superior (RAS).
        n_points: how many to spread over the body where none are given.
        slice: index from 0 at the lowest; that of the points, or the middle one, if left out.
        size: side of the input in pixels, a multiple of the patch size.
        mask: colour the body alone, and refuse points outside it.
        window: grey levels, "[-160,240]"; soft tissue for CT and the body's range for MR if left out.
        dpi: of the figure.
        intensity: scan, or picture for weights trained on photographs; known encoders say it themselves.
        seed: of random weights.
        amp: encode in bfloat16.
        device: such as cpu; a GPU where there is one if left out.
        series_uid: which series of a DICOM folder that holds several.
        gantry_tilt: resample, to have a tilted DICOM series interpolated.
    """
    path, listed = check_format(Path(output)), list_weights(weights)
    require_matplotlib("figures")
    read = read_scan(scan, modality=modality, series_uid=series_uid, gantry_tilt=gantry_tilt)
    places = places_of(read, points, space, slice)
    shown = read.slice(slice_index(read, places, slice))
    in_square = points_in_square(shown, places, n_points=n_points, mask=mask)
    settings: dict[str, Any] = {
        "backbone": backbone,
        "like": next((one for one in reversed(listed) if one != RANDOM), None),
        "intensity": intensity,
        "seed": seed,
        "amp": amp,
        "device": device,
    }
    draw_checkpoints(
        path,
        encoders=(weights_encoder(one, **settings) for one in listed),
        slice_=shown,
        points=in_square,
        size_px=whole_numbers(size, "size")[0],
        mask=mask,
        window=grey_levels(window),
        dpi=dpi,
    )
    return f"wrote {path}"


def slice_index(scan: Scan, places: Sequence[Place], stated: object) -> int:
    """The slice of the points, or the stated one, or the middle one."""
    if places:
        return places[0].index
    return evenly_spaced(scan.n_slices, 1)[0] if stated is None else whole_numbers(stated, "slice")[0]


def whole_numbers(value: object, what: str) -> list[int]:
    """One number or several, from the command line.

    Raises:
        InputError: anything else.
    """
    listed: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    if not listed or not all(isinstance(n, int) and not isinstance(n, bool) for n in listed):
        raise InputError(f'{what} is {value!r}; expected whole numbers, as in "[40,80]"')
    return listed


def grey_levels(window: object) -> tuple[float, float] | None:
    """The lower and upper end of grey, from the command line.

    Raises:
        InputError: not two numbers that rise.
    """
    if window is None:
        return None
    numbers = window if isinstance(window, (list, tuple)) else ()
    if len(numbers) != 2 or not all(isinstance(n, (int, float)) for n in numbers) or not numbers[0] < numbers[1]:
        raise InputError(f'window is {window!r}; expected two grey levels that rise, as in "[-160,240]"')
    return float(numbers[0]), float(numbers[1])
