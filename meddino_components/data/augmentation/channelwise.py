"""Change intensities randomly, drawn for each channel separately as in nnU-Net.

MONAI's transforms of the same names draw once for all channels. Shapes: C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import convert_to_tensor
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

_SMALLEST_RANGE = 1e-7


class RandChannelwised(MapTransform, RandomizableTransform):
    """Base of these transforms: a slice is changed with one probability, and then each of its channels with another.

    Args:
        keys: items with float images [C, H, W].
        prob: share of slices that are changed.
        channel_probability: share of the channels of such a slice that are changed.

    Attributes:
        drawn: parameters by channel in the last call; other channels are unchanged.
    """

    def __init__(self, keys: KeysCollection, *, prob: float, channel_probability: float = 1.0) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.channel_probability = channel_probability
        self.drawn: dict[int, tuple[float, ...]] = {}

    def randomize(self, data: Tensor) -> None:
        """Draw which channels to change, and their parameters."""
        RandomizableTransform.randomize(self, None)
        self.drawn = {}
        if self._do_transform:
            chosen = self.R.random_sample(len(data)) < self.channel_probability
            self.drawn = {channel: self.draw() for channel in range(len(data)) if chosen[channel]}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        item = dict(data)
        for key in self.key_iterator(item):
            image = convert_to_tensor(item[key], track_meta=False)
            self.randomize(image)
            if self.drawn:
                image = image.clone()
                for channel, parameters in self.drawn.items():
                    image[channel] = self.change(image[channel], *parameters)
            item[key] = image
        return item

    def draw(self) -> tuple[float, ...]:
        """Draw the parameters of one channel."""
        raise NotImplementedError

    def change(self, pixels: Tensor, *parameters: float) -> Tensor:
        """Return one channel [H, W] changed by its parameters, in new memory or in place."""
        raise NotImplementedError


class RandBlurd(RandChannelwised):
    """Smooth with a Gaussian, with a separate width along each axis.

    Args:
        keys, prob, channel_probability: items and probabilities, see `RandChannelwised`.
        sigma_px: lowest and highest standard deviation in pixels.
    """

    def __init__(
        self, keys: KeysCollection, *, prob: float, sigma_px: Sequence[float], channel_probability: float = 1.0
    ) -> None:
        super().__init__(keys, prob=prob, channel_probability=channel_probability)
        self.sigma_px = (float(sigma_px[0]), float(sigma_px[1]))

    def draw(self) -> tuple[float, ...]:
        return tuple(self.R.uniform(*self.sigma_px, size=2).tolist())

    def change(self, pixels: Tensor, *parameters: float) -> Tensor:
        rows, columns = (_gaussian(sigma) for sigma in parameters)
        (above, left) = (len(kernel) // 2 for kernel in (rows, columns))
        # for slices smaller than the kernel's reach, repeat edges instead of mirroring
        mode = "reflect" if min(pixels.shape) > max(above, left) else "replicate"
        padded = pad(pixels[None, None], (left, left, above, above), mode=mode)
        return conv2d(conv2d(padded, rows[None, None, :, None]), columns[None, None, None])[0, 0]


class RandLowResolutiond(RandChannelwised):
    """Subsample pixels and interpolate linearly between them.

    Args:
        keys, prob, channel_probability: items and probabilities, see `RandChannelwised`.
        zoom: lowest and highest share of pixels that are kept along each axis.
    """

    def __init__(
        self, keys: KeysCollection, *, prob: float, zoom: Sequence[float], channel_probability: float = 1.0
    ) -> None:
        super().__init__(keys, prob=prob, channel_probability=channel_probability)
        self.zoom = (float(zoom[0]), float(zoom[1]))

    def draw(self) -> tuple[float, ...]:
        return (float(self.R.uniform(*self.zoom)),)

    def change(self, pixels: Tensor, *parameters: float) -> Tensor:
        size = [max(1, round(side * parameters[0])) for side in pixels.shape]
        kept = interpolate(pixels[None, None], size=size, mode="nearest-exact")
        return interpolate(kept, size=tuple(pixels.shape), mode="bilinear", align_corners=False)[0, 0]


class RandGammad(RandChannelwised):
    """Raise intensities, scaled to the channel's range, to a power; mean and standard deviation stay.

    Half of the powers are drawn below 1, half above.

    Args:
        keys, prob, channel_probability: items and probabilities, see `RandChannelwised`.
        gamma: lowest and highest power, around 1.
        invert: whether to apply it to the negative image, so that a power above 1 spreads dark intensities.
    """

    def __init__(
        self,
        keys: KeysCollection,
        *,
        prob: float,
        gamma: Sequence[float],
        invert: bool = False,
        channel_probability: float = 1.0,
    ) -> None:
        super().__init__(keys, prob=prob, channel_probability=channel_probability)
        self.gamma, self.invert = (float(gamma[0]), float(gamma[1])), invert

    def draw(self) -> tuple[float, ...]:
        low, high = self.gamma
        below = self.R.random_sample() < 0.5
        return (float(self.R.uniform(low, 1.0) if below else self.R.uniform(1.0, high)),)

    def change(self, pixels: Tensor, *parameters: float) -> Tensor:
        values = -pixels if self.invert else pixels.clone()
        deviation, mean = torch.std_mean(values)
        low, high = torch.aminmax(values)
        extent = (high - low).clamp_min(_SMALLEST_RANGE)
        values.sub_(low).div_(extent).pow_(parameters[0])
        deviation_now, mean_now = torch.std_mean(values)
        values.sub_(mean_now).mul_(deviation / deviation_now.clamp_min(_SMALLEST_RANGE)).add_(mean)
        return values.neg_() if self.invert else values


def _gaussian(sigma: float) -> Tensor:
    """Return as many weights as nnU-Net, up to three standard deviations: the odd number next to 6 sigma + 1/2."""
    reach = max(1, round(3 * sigma - 0.25))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    return weights / weights.sum()
