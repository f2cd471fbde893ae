"""Intensities change inside the patient alone, where a data set marks what lies outside."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Compose
from monai.utils import convert_to_tensor, ensure_tuple


class KeepBackgroundd(Compose):
    """Transforms in a row, after which pixels that were background in all channels have its value again.

    Args:
        keys: images [C, H, W] that are looked after.
        background: value outside the patient; None: not marked, and nothing is looked after.
        transforms: of intensities, which leave pixels where they are.

    Reference:
        Isensee et al., nnU-Net, Nature Methods 2021: the mask of normalisation is applied again after augmentation.
    """

    def __init__(
        self, keys: KeysCollection, *, background: float | None, transforms: Sequence[Callable[..., Any]]
    ) -> None:
        super().__init__(transforms)
        self.keys, self.background = ensure_tuple(keys), background

    def __call__(self, data: Mapping[Hashable, Any], *args: Any, **kwargs: Any) -> Any:
        if self.background is None:
            return super().__call__(data, *args, **kwargs)
        images = {key: convert_to_tensor(data[key], track_meta=False) for key in self.keys}
        outside = {key: (image == self.background).all(dim=0) for key, image in images.items()}
        changed = dict(super().__call__(data, *args, **kwargs))
        for key, mask in outside.items():
            changed[key] = convert_to_tensor(changed[key], track_meta=False).masked_fill(mask, self.background)
        return changed
