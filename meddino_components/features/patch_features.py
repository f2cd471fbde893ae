"""Features and labels of patches and slices, from slices with label maps.

Shapes: S slices, C channels, H rows, W columns, p patch size, P = (H / p) * (W / p) patches of a slice, D width,
N chosen patches of all slices, K classes (0 is background).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..embeddings import Encoder
from ..errors import InputError

IGNORED = -1  # label of a patch of which no class covers enough


@dataclass(frozen=True)
class SliceFeatures:
    """Features and labels of some slices, on the CPU.

    Attributes:
        cls: one vector for each slice, [S, D].
        patches: features of patches, [S, P, D].
        grid: rows and columns of patches.
        patch_labels: class of each patch, [S, P], or `IGNORED` if no class covers enough of it; None without labels.
        presence: whether a class has a pixel in the slice, boolean [S, K - 1] without background; None without labels.
        units: number of the unit that is resampled as a whole, for each slice, [S].
    """

    cls: Tensor
    patches: Tensor
    grid: tuple[int, int]
    patch_labels: Tensor | None
    presence: Tensor | None
    units: Tensor

    @property
    def mean_patch(self) -> Tensor:
        """Mean over the patches of each slice, [S, D]."""
        return self.patches.mean(1)

    def labelled_patches(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features [N, D], labels [N] and units [N] of the patches that have a label.

        Raises:
            InputError: the slices have no labels.
        """
        if self.patch_labels is None:
            raise InputError("these slices have no labels: give cases with label files")
        chosen = self.patch_labels != IGNORED
        units = self.units[:, None].expand_as(chosen)
        return self.patches[chosen], self.patch_labels[chosen], units[chosen]


@torch.no_grad()
def extract_features(
    encoder: Encoder,
    slices: Sequence[Mapping[str, Any]],
    *,
    patch_size: int,
    n_classes: int | None = None,
    min_purity: float = 0.5,
    include_background: bool = False,
    batch_size: int = 8,
) -> SliceFeatures:
    """Encode slices in order and label their patches, without loaders or workers, which would draw random numbers.

    Args:
        encoder: `backbone_encoder`, `pixel_encoder`, or another function like them.
        slices: dicts with ``image`` [C, H, W], all of one shape, ``label`` [1, H, W] if labels are read, and optionally
            ``unit``, the number of the slice's unit for the bootstrap; otherwise every slice is a unit.
        patch_size: patch size p of the encoder.
        n_classes: number K of classes; None does not read labels.
        min_purity: share of a patch that its class has to cover.
        include_background: whether to keep patches of class 0, which are most of them; otherwise they are `IGNORED`.
        batch_size: number of slices encoded at once.

    Raises:
        InputError: a label is beyond ``n_classes``.
        ValueError: there are no slices.
    """
    if not len(slices):
        raise ValueError("no slices to encode")
    cls, patches, labels, presence, units = [], [], [], [], []
    for start in range(0, len(slices), batch_size):
        items = [slices[k] for k in range(start, min(start + batch_size, len(slices)))]
        images = torch.stack([torch.as_tensor(item["image"]) for item in items])
        batch_cls, batch_patches = encoder(images)
        cls.append(batch_cls.float().cpu())
        patches.append(batch_patches.float().cpu())
        units += [int(item.get("unit", start + k)) for k, item in enumerate(items)]
        if n_classes is not None:
            maps = torch.stack([torch.as_tensor(item["label"]) for item in items]).long()
            if int(maps.max()) >= n_classes:
                cases = ", ".join(sorted({str(item.get("case_id", "?")) for item in items}))
                raise InputError(
                    f"reference slices of case {cases}: label {int(maps.max())}, but there are names for 0 to "
                    f"{n_classes - 1} only: correct the label map, or the label names"
                )
            labels.append(patch_labels(maps, patch_size=patch_size, min_purity=min_purity))
            presence.append(torch.stack([(maps == k).flatten(1).any(1) for k in range(1, n_classes)], 1))
    of_patches = torch.cat(labels) if labels else None
    if of_patches is not None and not include_background:
        of_patches[of_patches == 0] = IGNORED
    height, width = images.shape[-2:]
    return SliceFeatures(
        cls=torch.cat(cls),
        patches=torch.cat(patches),
        grid=(height // patch_size, width // patch_size),
        patch_labels=of_patches,
        presence=torch.cat(presence) if presence else None,
        units=torch.tensor(units),
    )


def patch_labels(labels: Tensor, *, patch_size: int, min_purity: float = 0.5) -> Tensor:
    """The class that covers most of each patch; the lowest number if several cover the same area.

    Args:
        labels: labels [S, 1, H, W]; rows and columns beyond the last whole patch are left out.
        patch_size: patch size p.
        min_purity: share of the patch's pixels that the class has to cover; below it the patch is `IGNORED`.

    Returns:
        classes [S, P].
    """
    rows, columns = (side // patch_size for side in labels.shape[-2:])
    whole = labels[:, 0, : rows * patch_size, : columns * patch_size]
    pixels = whole.unflatten(1, (rows, patch_size)).unflatten(3, (columns, patch_size)).transpose(2, 3)
    pixels = pixels.reshape(len(labels), rows * columns, patch_size**2)
    # the most frequent value, the lowest of several
    classes = pixels.mode(-1).values.long()
    purity = (pixels == classes[..., None]).float().mean(-1)
    return torch.where(purity >= min_purity, classes, IGNORED)
