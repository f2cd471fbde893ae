"""Change intensities and sharpness of crops randomly: parameters are drawn as numbers, and applied on any device.

MONAI's random transforms draw and apply in one call and accept one image: they cannot use parameters drawn by a worker,
or process a batch with different parameters per crop, and on CPU they take more than twice as long
(`benchmarks/multi_crop.py`). The formulas are the same, and the tests compare with MONAI.

Shapes: N crops, S their side, K those of them with noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .axis_taps import filter_images, gaussian_taps, low_resolution_taps

_ZERO, _NOT_DONE = np.float32(0), np.float32(np.nan)


class DrawnDistortions(NamedTuple):
    """Parameters of the changes to each of N crops; NaN for a change that is not made, except for noise.

    ``noise_std`` [N], 0 without noise; ``noise_seeds`` [N]; ``sigmas`` [N, 2] of smoothing along rows and columns;
    ``factors`` [N] of intensities; ``zooms`` [N] to a lower resolution; ``gammas`` [N] of contrast.
    """

    noise_std: NDArray[np.float32]
    noise_seeds: NDArray[np.int64]
    sigmas: NDArray[np.float32]
    factors: NDArray[np.float32]
    zooms: NDArray[np.float32]
    gammas: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class CropDistortions:
    """Probability and strength of each distortion of crops, in order of application.

    Probabilities come from FlexiCT, by the first author of MedDINOv3, whose own paper states none; ranges are those of
    nnU-Net and of this project's fine-tuning. Intensities are normalised (in standard deviations).

    Attributes:
        noise_probability: probability of Gaussian noise.
        noise_std: largest standard deviation of the noise, drawn from 0 to this.
        smooth_probability: probability of Gaussian smoothing.
        smooth_sigma: range of the smoothing width in pixels, drawn separately for rows and columns.
        scale_probability: probability of multiplying all intensities by a factor.
        scale_factor: largest deviation of that factor from 1.
        low_resolution_probability: probability of resampling to fewer pixels and back.
        zoom_range: range of the share of pixels that remain along an axis.
        contrast_probability: probability of a gamma curve that keeps mean and standard deviation.
        gamma: range of gamma.
    """

    noise_probability: float = 0.1
    noise_std: float = 0.3
    smooth_probability: float = 0.2
    smooth_sigma: tuple[float, float] = (0.5, 1.0)
    scale_probability: float = 0.15
    scale_factor: float = 0.25
    low_resolution_probability: float = 0.25
    zoom_range: tuple[float, float] = (0.5, 1.0)
    contrast_probability: float = 0.1
    gamma: tuple[float, float] = (0.7, 1.5)

    def __post_init__(self) -> None:
        for name in ("noise", "smooth", "scale", "low_resolution", "contrast"):
            probability = getattr(self, f"{name}_probability")
            if not 0 <= probability <= 1:
                raise ValueError(f"{name}_probability must lie within 0 and 1, got {probability}")
        if self.smooth_sigma[0] <= 0 or self.zoom_range[0] <= 0 or self.zoom_range[1] > 1:
            raise ValueError(
                f"smooth_sigma must be above 0 and zoom_range above 0 and up to 1, got {list(self.smooth_sigma)} and "
                f"{list(self.zoom_range)}"
            )

    def draw(self, generator: np.random.Generator, n_crops: int) -> DrawnDistortions:
        """Draw parameters for ``n_crops`` crops; the generator always advances by the same amount."""
        happens = generator.random((5, n_crops))
        values = generator.random((6, n_crops), dtype=np.float32)
        factors = (1 - self.scale_factor, 1 + self.scale_factor)
        factors = (1 - self.scale_factor, 1 + self.scale_factor)

        def drawn(kind: int, probability: float, value: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.where(happens[kind] < probability, value, _NOT_DONE)

        return DrawnDistortions(
            noise_std=np.where(happens[0] < self.noise_probability, np.float32(self.noise_std) * values[0], _ZERO),
            noise_seeds=generator.integers(2**63, size=n_crops),
            sigmas=drawn(1, self.smooth_probability, _between(self.smooth_sigma, values[1:3])).T,
            factors=drawn(2, self.scale_probability, _between(factors, values[3])),
            zooms=drawn(3, self.low_resolution_probability, _between(self.zoom_range, values[4])),
            gammas=drawn(4, self.contrast_probability, _between(self.gamma, values[5])),
        )


def _between(limits: tuple[float, float], share: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(limits[0]) + np.float32(limits[1] - limits[0]) * share


def draw_noise(drawn: DrawnDistortions, size: int) -> Tensor:
    """Draw the noise fields [K, S, S] of crops with noise, each from its own seed; on the CPU for any device."""
    chosen = np.flatnonzero(drawn.noise_std)
    fields = torch.empty(len(chosen), size, size)
    generator = torch.Generator()
    for field, crop in zip(fields, chosen, strict=True):
        field.normal_(0, float(drawn.noise_std[crop]), generator=generator.manual_seed(int(drawn.noise_seeds[crop])))
    return fields


def distort_(crops: Tensor, drawn: DrawnDistortions, noise: Tensor) -> Tensor:
    """Change crops in place.

    Args:
        crops: normalised crops [N, S, S].
        drawn: parameters on the CPU, so that nothing waits for a GPU.
        noise: noise fields from `draw_noise`.
    """
    size = crops.shape[-1]

    def on_device(values: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(crops.device, non_blocking=True)

    def done(parameter: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.flatnonzero(~np.isnan(parameter))

    if len(noise):
        crops.index_add_(0, on_device(np.flatnonzero(drawn.noise_std)), noise)
    if len(chosen := done(drawn.sigmas[:, 0])):
        index, sigmas = on_device(chosen), drawn.sigmas[chosen]
        rows, columns = (
            gaussian_taps(on_device(axis), size=size, largest=float(sigmas.max())) for axis in sigmas.T.copy()
        )
        crops[index] = filter_images(crops[index], rows, columns)
    if len(chosen := done(drawn.factors)):
        crops[on_device(chosen)] *= on_device(drawn.factors[chosen]).view(-1, 1, 1)
    if len(chosen := done(drawn.zooms)):
        index, coarse = on_device(chosen), np.rint(size * drawn.zooms[chosen]).clip(1).astype(np.int64)
        taps = low_resolution_taps(on_device(coarse), size=size)
        crops[index] = filter_images(crops[index], taps, taps)
    if len(chosen := done(drawn.gammas)):
        index = on_device(chosen)
        crops[index] = adjust_contrast(crops[index], on_device(drawn.gammas[chosen]))
    return crops


def adjust_contrast(crops: Tensor, gammas: Tensor) -> Tensor:
    """Apply a gamma curve over each crop's range; mean and standard deviation stay, as in MONAI's AdjustContrast.

    Args:
        crops: crops [N, S, S].
        gammas: gamma of each crop, [N].
    """
    lowest, highest = crops.amin((1, 2), keepdim=True), crops.amax((1, 2), keepdim=True)
    span = highest - lowest
    curved = ((crops - lowest) / (span + 1e-7)) ** gammas.view(-1, 1, 1) * span
    curved -= curved.mean((1, 2), keepdim=True)
    mean = crops.mean((1, 2), keepdim=True)
    # several times faster than torch.std on CPU; dividing by n instead of n - 1 cancels out
    std, std_curved = (centred.square().mean((1, 2), keepdim=True).sqrt() for centred in (crops - mean, curved))
    return curved * (std / (std_curved + 1e-8)) + mean
