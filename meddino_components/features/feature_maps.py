"""Patch features as visible maps: three principal components as colours, and cosine similarity to chosen points.

Shapes: S slices, P = h * w patches of a slice, D width, F foreground patches of all slices, Q points of a slice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

_AIR_SHARE = 0.1  # of the range from air to the brightest per cent, as in `inference.body_region`
_COLOUR_RANGE = (0.02, 0.98)  # quantiles of a component that become dark and bright


@dataclass(frozen=True)
class PrincipalBasis:
    """Three principal components of some features, by which these or others are coloured.

    Attributes:
        mean: mean of the features, [D].
        projection: matrix that turns features into scores, [D, 3].
        low, high: scores drawn dark and bright, [3].
        scores: scores of the features, with columns of unit variance, [F, 3]; the next basis of the same patches is
            aligned to them.
        explained: share of the features' variance in the three components together.
    """

    mean: Tensor
    projection: Tensor
    low: Tensor
    high: Tensor
    scores: Tensor
    explained: float

    def colours(self, patches: Tensor) -> Tensor:
        """Colours [..., 3] from 0 to 1 of features [..., D]."""
        scores = (patches.double() - self.mean) @ self.projection
        return ((scores - self.low) / (self.high - self.low).clamp(min=1e-12)).clamp(0, 1).float()


@dataclass(frozen=True)
class PrincipalColours:
    """Three principal components as colours.

    Attributes:
        rgb: colours [S, P, 3] from 0 to 1.
        scores: scores of the foreground patches, see `PrincipalBasis`.
        explained: share of the foreground's variance in the three components together.
    """

    rgb: Tensor
    scores: Tensor
    explained: float


def foreground_patches(images: Tensor, patch_size: int) -> Tensor:
    """Patches whose mean is clearly above air, boolean [S, P], for images [S, C, H, W] in which air is lowest.

    All patches count if a picture has no air, such as a crop, or hardly anything else.
    """
    means = F.avg_pool2d(images.float().mean(1, keepdim=True), patch_size).flatten(1)
    air, bright = means.min(), means.flatten().quantile(0.99)
    chosen = means > air + _AIR_SHARE * (bright - air)
    return chosen if int(chosen.sum()) > 3 else torch.ones_like(chosen)


def principal_basis(inside: Tensor, *, brightness: Tensor, previous: Tensor | None = None) -> PrincipalBasis:
    """Find the first three principal components of features, in an order and with signs that do not change by chance.

    The sign of a component is arbitrary, and components of similar variance swap or mix from one evaluation to the
    next. To keep colours comparable during a training, the three components are scaled to unit variance and rotated
    together as close to ``previous`` as possible (orthogonal Procrustes); they still span the space of the principal
    components. At the first evaluation red, green and blue are the first, second and third component, with signs that
    make bright patches (bone, vessels with contrast) score high.

    Args:
        inside: features of foreground patches, [F, D], F at least 4.
        brightness: mean intensity of each foreground patch, [F].
        previous: ``scores`` of an earlier basis of the same patches, [F, 3]; ignored if the shape differs.

    Raises:
        ValueError: there are fewer than four patches, or the features' width is below three.

    Reference: Oquab et al., DINOv2, arXiv 2304.07193, section 7.5; MedDINOv3, arXiv 2509.02379, figures 1 and 4;
    Schoenemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966.
    """
    inside = inside.double()
    if len(inside) < 4 or inside.shape[1] < 3:
        raise ValueError(f"three components need 4 patches and 3 features, got {list(inside.shape)}")
    mean = inside.mean(0)
    _, deviations, components = torch.linalg.svd(inside - mean, full_matrices=False)
    # to unit variance over the foreground; a component without variance stays at rounding errors
    scale = deviations[:3].clamp(min=1e-6 * float(deviations[0]) + 1e-12) / len(inside) ** 0.5
    projection = components[:3].T / scale
    scores = (inside - mean) @ projection
    if previous is not None and previous.shape == scores.shape:
        left, _, right = torch.linalg.svd(scores.T @ previous.double())
        turn = left @ right
    else:
        bright = brightness.double()
        turn = torch.where(scores.T @ (bright - bright.mean()) < 0, -1.0, 1.0).double().diag()
    projection, scores = projection @ turn, scores @ turn
    low, high = (scores.quantile(q, dim=0) for q in _COLOUR_RANGE)
    variance = deviations.square()
    explained = float(variance[:3].sum() / variance.sum().clamp(min=1e-30))
    return PrincipalBasis(mean, projection, low, high, scores.float(), explained)


def principal_colours(
    patches: Tensor, foreground: Tensor, *, brightness: Tensor, previous: Tensor | None = None
) -> PrincipalColours:
    """Colour patches by the principal components of the foreground, see `principal_basis`.

    Args:
        patches: features [S, P, D].
        foreground: patches from which the components are computed, boolean [S, P]; at least 4.
        brightness: mean intensity of each patch, [S, P].
        previous: ``scores`` of an earlier evaluation of the same foreground, [F, 3]; ignored if the shape differs.

    Raises:
        ValueError: there are fewer than four foreground patches, or the features' width is below three.
    """
    basis = principal_basis(patches[foreground], brightness=brightness[foreground], previous=previous)
    return PrincipalColours(basis.colours(patches), basis.scores, basis.explained)


def cosine_maps(patches: Tensor, points: Sequence[int]) -> Tensor:
    """Cosine similarity [Q, P] of all patches [P, D] of a slice to Q of them, given by their numbers."""
    unit = F.normalize(patches.float(), dim=-1)
    return unit[list(points)] @ unit.T


def choose_points(
    n_points: int, grid: tuple[int, int], *, labels: NDArray[np.integer] | None, foreground: Tensor
) -> list[int]:
    """Choose patches to compare others with: deep inside the largest organs of a slice, or spread over the body.

    Args:
        n_points: number Q of patches.
        grid: rows h and columns w of patches.
        labels: labels [H, W]; None for a slice without labels.
        foreground: patches that are not air, boolean [P].

    Returns:
        Q numbers of patches, which are the same for a slice at every evaluation.
    """
    points: list[int] = []
    if labels is not None:
        areas = np.bincount(labels.ravel().astype(np.int64), minlength=2)
        largest = [int(k) for k in np.argsort(-areas[1:], kind="stable") + 1 if areas[k]]
        for organ in largest[:n_points]:
            depth = ndimage.distance_transform_edt(labels == organ)
            row, column = np.unravel_index(int(depth.argmax()), depth.shape)
            points.append(
                min(int(row) * grid[0] // labels.shape[0], grid[0] - 1) * grid[1]
                + min(int(column) * grid[1] // labels.shape[1], grid[1] - 1)
            )
    return points + _spread(n_points - len(points), grid, foreground, points)


def _spread(n: int, grid: tuple[int, int], foreground: Tensor, taken: Sequence[int]) -> list[int]:
    """Each next point is the foreground patch farthest from the points chosen and from the background."""
    mask = foreground.view(grid).numpy()
    if not mask.any():
        mask = np.ones(grid, bool)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    rows, columns = np.indices(grid)
    chosen: list[int] = list(taken)
    for _ in range(n):
        distance = depth.copy()
        for point in chosen:
            away = np.hypot(rows - point // grid[1], columns - point % grid[1])
            distance = np.minimum(distance, away / 2)
        chosen.append(int(np.where(mask, distance, -1).argmax()))
    return chosen[len(taken) :]
