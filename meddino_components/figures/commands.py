"""The commands ``python -m meddino_components figure ...``."""

from __future__ import annotations

from collections.abc import Sequence

from ..checkpoints import RANDOM
from ..shared_options import flattened
from .checkpoints import draw_checkpoints
from .options import FigureOptions, PointOptions, middle_slice, whole_numbers
from .resolutions import draw_resolutions
from .similarity import draw_similarity
from .weights import list_weights


@flattened
def figure_resolutions(
    options: FigureOptions,
    weights: str,
    slices: int | Sequence[int] | None = None,
    sizes: int | Sequence[int] = (256, 512, 1024),
    reference: int | None = None,
    mask: bool = True,
) -> str:
    """Draw slices next to their principal components as colours, at increasing input resolution.

    Args:
        weights: weight file of any known format, a known encoder such as meddinov3-b, hf://owner/name, or random.
        slices: slice indices, counted from 0 at the lowest slice, such as "[40,80]"; default: the middle slice.
        sizes: sides of the input in pixels, multiples of the patch size, such as "[256,512,1024,2048]".
        reference: size at which the principal components are computed; default: the middle size.
        mask: colour only the body.
    """
    path, read = options.path(), options.read()
    chosen = [middle_slice(read)] if slices is None else whole_numbers(slices, "slices")
    draw_resolutions(
        path,
        encoder=options.encoder(weights),
        slices=[read.slice(k) for k in chosen],
        sizes_px=whole_numbers(sizes, "sizes"),
        reference_px=reference,
        mask=mask,
        window=options.grey_levels(),
        dpi=options.dpi,
    )
    return f"wrote {path}"


@flattened
def figure_similarity(
    options: FigureOptions, weights: str, chosen: PointOptions, n_points: int = 3, size: int = 1024
) -> str:
    """Draw the cosine similarity of a slice's features to chosen points.

    Args:
        weights: weight file of any known format, a known encoder such as meddinov3-b, hf://owner/name, or random.
        n_points: number of points to spread over the body if none are given.
        size: side of the input in pixels, a multiple of the patch size; 2048 and more are possible.
    """
    path, read = options.path(), options.read()
    shown, points = chosen.chosen(read, n_points)
    draw_similarity(
        path,
        encoder=options.encoder(weights),
        slice_=shown,
        points=points,
        size_px=whole_numbers(size, "size")[0],
        window=options.grey_levels(),
        dpi=options.dpi,
    )
    return f"wrote {path}"


@flattened
def figure_checkpoints(
    options: FigureOptions, weights: str | Sequence[str], chosen: PointOptions, n_points: int = 1, size: int = 512
) -> str:
    """Draw one slice for several checkpoints: principal components as colours and similarity to points, one row each.

    Without ``backbone``, random weights get the architecture of the last weights in the list that are not random.

    Args:
        weights: weight files or glob patterns in the order of the rows, separated by commas; random adds a row with
            random weights as a control, as in "random,run/teachers/*.safetensors".
        n_points: number of points to spread over the body if none are given.
        size: side of the input in pixels, a multiple of the patch size.
    """
    listed = list_weights(weights)
    path, read = options.path(), options.read()
    shown, points = chosen.chosen(read, n_points)
    like = next((one for one in reversed(listed) if one != RANDOM), None)
    draw_checkpoints(
        path,
        encoders=(options.encoder(one, like) for one in listed),
        slice_=shown,
        points=points,
        size_px=whole_numbers(size, "size")[0],
        mask=chosen.mask,
        window=options.grey_levels(),
        dpi=options.dpi,
    )
    return f"wrote {path}"
