"""Samples of an image set as an encoder wants them: square slices or pictures in its range of intensities.

Shapes: n slices of a volume (1 for a picture), C channels, H rows, W columns, D slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.transforms import Compose, Orientationd
from torch import Tensor
from torch.utils.data import Dataset

from ..data.image_sets import Sample, Selection, load_picture
from ..data.volumes.ct_or_mr import parse_modality
from ..data.volumes.intensity import NormalizeIntensityByModalityd
from ..data.volumes.loading import LoadVolumed
from ..data.volumes.resampling import fit_to_square, in_plane_spacing
from ..errors import InputError
from ..slice_planes import AXIAL
from .encoders import FrozenEncoder, Intensity, to_unit_range

PREPARATION = 1  # of what is done here to an image; in the key of its embeddings
FLAT = 1e-6  # standard deviation of a picture in 0 to 1, below which it counts as empty


@dataclass(frozen=True)
class EncoderRange:
    """Intensity scaling of an encoder, as plain numbers, because workers get no network.

    Attributes:
        intensity: see `FrozenEncoder`.
        mean, std: mean and standard deviation of the three channels, [3, 1, 1].
    """

    intensity: Intensity
    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, encoder: FrozenEncoder) -> EncoderRange:
        mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (encoder.mean, encoder.std))
        return cls(encoder.intensity, mean, std)

    def of_picture(self, pixels: Tensor, *, size_px: int) -> Tensor:
        """A picture [C, H, W] or stack of them [C, H, W, D] in 0 to 1 as [n, 3, size_px, size_px]."""
        # of a volume each slice is a picture
        pictures = pixels.permute(3, 0, 1, 2) if pixels.ndim == 4 else pixels[None]
        pictures = fit_to_square(pictures, spacing=(1.0, 1.0), size_px=size_px).expand(-1, 3, -1, -1)
        if self.intensity == "picture":
            return self.of_shares(pictures)
        std, mean = torch.std_mean(pixels, correction=0)
        return (pictures - mean) / (std if float(std) >= FLAT else 1.0)

    def of_shares(self, images: Tensor) -> Tensor:
        """Images in 0 to 1 as those that the encoder was trained on, for "picture"."""
        return (images - self.mean) / self.std


class PreparedImages(Dataset[Tensor | str]):
    """Items are [n, C, size_px, size_px] float32, or the reason why a sample cannot be read.

    Proportions stay: the longer side becomes ``size_px``, the other is filled up with the lowest value. Volumes give
    all their slices in canonical orientation, from the lowest up, one channel each; pictures three channels.

    "scan": CT and MR volumes by the project's table of intensities; a picture, which has no units, to mean 0 and
    deviation 1. "picture": CT clipped as in the table and MR by the percentiles of the table to 0 to 1, pictures as
    they are; then less the encoder's mean and divided by its deviation, channel by channel.

    Args:
        samples: an image set or a part of one.
        encoder: encoder for which the images are scaled.
        size_px: H and W.
    """

    def __init__(self, samples: Selection, *, encoder: FrozenEncoder, size_px: int) -> None:
        self.samples, self.size_px = samples, size_px
        self.range = EncoderRange.of(encoder)
        self._read_volume = Compose([LoadVolumed("image"), Orientationd("image", axcodes=AXIAL, labels=None)])

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor | str:
        sample = self.samples.samples[index]
        try:
            return self._of_picture(sample) if self.samples.modality == "picture" else self._of_volume(sample)
        except InputError as error:
            # a missing library is not the file's fault, and must not be recorded as such
            if isinstance(error.__cause__, ImportError):
                raise
            return str(error)
        except RuntimeError as error:
            # Compose wraps what its transforms raise; anything else, such as no memory, is no matter of the file
            if error.__cause__ is None:
                raise
            cause = error.__cause__
            return str(cause) if isinstance(cause, InputError) else f"{sample.image}: {type(cause).__name__}: {cause}"

    def _of_picture(self, sample: Sample) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(load_picture(sample)))
        if self.range.intensity == "scan" and float(pixels.std(correction=0)) < FLAT:
            raise InputError(f"{sample.image}: all pixels have one value; expected a picture.")
        return self.range.of_picture(pixels, size_px=self.size_px)

    def _of_volume(self, sample: Sample) -> Tensor:
        case: dict[Any, Any] = {"image": sample.image, "case_id": sample.sample_id, "modality": self.samples.modality}
        image = NormalizeIntensityByModalityd("image")(self._read_volume(case))["image"]
        spacing = in_plane_spacing(image.affine)
        slices = image.as_tensor().permute(3, 0, 1, 2)
        # one by one: each is filled up with its own lowest value, as reference slices are
        slices = torch.cat([fit_to_square(k, spacing=spacing, size_px=self.size_px) for k in slices.split(1)])
        if self.range.intensity == "scan":
            return slices
        return self.range.of_shares(to_unit_range(slices, parse_modality(self.samples.modality, self.samples.name)))
