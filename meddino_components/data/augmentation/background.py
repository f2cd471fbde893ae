"""Change intensities only inside the patient, if a data set marks the background."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from monai.config import KeysCollection
from monai.transforms import Compose
from monai.utils import convert_to_tensor, ensure_tuple


class KeepBackgroundd(Compose):
    """Apply transforms in a row, then restore the value of pixels that were background in all channels.

    Args:
        keys: items with images [C, H, W] whose background is restored.
        background: value outside the patient; None if it is not marked, and then nothing is restored.
        transforms: transforms of intensities, which do not move pixels.

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
