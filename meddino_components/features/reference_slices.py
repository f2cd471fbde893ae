"""Slices of some volumes on which features are evaluated, the same ones at every evaluation.

Shapes: H, W, D rows, columns and slices of a volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Compose
from torch import Tensor
from torch.utils.data import Dataset

from ..data.cases.patients import patient_of
from ..data.volumes.partial_labels import require_whole_labels
from ..data.volumes.resampling import ResampleMode, fit_to_square, in_plane_spacing
from ..errors import InputError
from .slab_split import split_slabs


class ReferenceSlices(Dataset[dict[str, Any]]):
    """Slices of one role, read at first use and then kept in memory (256 KiB a slice of 256 x 256).

    Every slice keeps its proportions in mm: its longer side becomes ``size_px``, and the shorter one is padded on both
    sides with the slice's lowest intensity (air) and with background.

    Items are dicts with ``image`` [C, size_px, size_px] float32, ``label`` [1, size_px, size_px] uint8 for labelled
    cases, ``unit`` (number of the stack of ``unit_slices`` neighbouring slices, for the bootstrap), ``case_id`` and
    ``slice`` (number in the canonical volume, from 0 upwards).

    Args:
        data: cases with ``image`` and optionally ``label`` paths.
        preprocessing: transforms that load, orient and normalise ``image`` [C, H, W, D] and ``label`` [1, H, W, D] as
            the network needs them.
        size_px: rows and columns of a slice.
        role: role of the slabs whose slices are taken.
        slab_roles: roles of the slabs of each volume from the lowest up, see `split_slabs`; None takes all slices.
        gap: number of unused slices between slabs of different roles.
        every: every n-th slice of a slab is taken.
        unit_slices: number of neighbouring slices of the volume that are resampled together; None resamples slabs.

    Raises:
        InputError: there are no cases, no slab has the role, there are too few slices, or only some cases have labels.
    """

    def __init__(
        self,
        *,
        data: Sequence[Mapping[str, Any]],
        preprocessing: Compose,
        size_px: int,
        role: str = "all",
        slab_roles: Sequence[str] | None = None,
        gap: int = 4,
        every: int = 1,
        unit_slices: int | None = None,
    ) -> None:
        self.slab_roles = [role] if slab_roles is None else list(slab_roles)
        if role not in self.slab_roles:
            raise InputError(f"no slab has the role '{role}': slab_roles is {self.slab_roles}")
        if len({"label" in case for case in data}) > 1:
            raise InputError(
                "some volumes of the reference slices have labels and some have none: complete or split them"
            )
        require_whole_labels(data, "scores of patches")
        if min(size_px, every, unit_slices or 1) < 1:
            raise ValueError(f"size_px {size_px}, every {every} and unit_slices {unit_slices} must be at least 1")
        self.data, self.preprocessing, self.size_px = data, preprocessing, size_px
        self.role, self.gap, self.every, self.unit_slices = role, gap, every, unit_slices
        self._items: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self._read())

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._read()[index]

    def _read(self) -> list[dict[str, Any]]:
        if self._items is None:
            if not self.data:
                raise InputError("no volumes for the reference slices: check the reference data list")
            self._items = []
            for case in self.data:
                self._items += self._slices_of(case, first_unit=self._items[-1]["unit"] + 1 if self._items else 0)
        return self._items

    def _slices_of(self, case: Mapping[str, Any], first_unit: int) -> list[dict[str, Any]]:
        volume = self.preprocessing(dict(case))
        n_slices = int(volume["image"].shape[-1])
        slabs = [s for s in split_slabs(n_slices, roles=self.slab_roles, gap=self.gap) if s.role == self.role]
        spacing = in_plane_spacing(volume["image"].affine)
        keys = [key for key in ("image", "label") if key in case]
        items, unit = [], first_unit
        case_id = case.get("case_id", "?")
        patient = patient_of({**case, "case_id": case_id})
        for slab in slabs:
            step = self.unit_slices or slab.last - slab.first
            chosen = list(range(slab.first, slab.last, self.every))
            for k in chosen:
                item: dict[str, Any] = {
                    key: self._fit(volume[key].as_tensor()[..., k], spacing, is_label=key == "label") for key in keys
                }
                number = unit + (k - slab.first) // step
                items.append(item | {"unit": number, "case_id": case_id, "patient": patient, "slice": k})
            unit = items[-1]["unit"] + 1
        return items

    def _fit(self, pixels: Tensor, spacing: tuple[float, float], *, is_label: bool) -> Tensor:
        """Fit pixels [C, H, W] to [C, size_px, size_px]."""
        mode: ResampleMode = "nearest" if is_label else "bilinear"
        fitted = fit_to_square(pixels[None], spacing=spacing, size_px=self.size_px, mode=mode)[0]
        return fitted.to(torch.uint8 if is_label else torch.float32)
