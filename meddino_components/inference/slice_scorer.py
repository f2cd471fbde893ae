"""Compute class scores of slices on the network's grid, with sliding windows, blending and mirroring.

Shapes: N slices, C channels, K classes, H x W the slices' grid, h x w one window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import torch
from monai.data.utils import dense_patch_slices
from scipy.ndimage import gaussian_filter1d
from torch import Tensor


class SliceScorer:
    """Score slices [N, C, H, W] with a network that sees windows [N, C, h, w].

    The weights of overlapping windows are nnU-Net's. They are divided by their sum once, so that the sum over windows
    is the blended score and no count map is needed. A slice that one window covers needs no buffer.

    Args:
        network: function from [N, C, h, w] to logits [N, K, h, w].
        image_size: size (H, W) of the slices.
        roi_size: window size (h, w); a smaller image is padded evenly on both sides.
        overlap: share of a window that overlaps with the next one, in [0, 1).
        mode: kind of weights, "gaussian" or "constant".
        mirror_axes: in-plane axes to mirror (0 rows, 1 columns); logits are averaged over all combinations of mirrors,
            as in nnU-Net, which averages logits rather than probabilities.
        device: device that computes the windows.
    """

    def __init__(
        self,
        *,
        network: Callable[[Tensor], Tensor],
        image_size: tuple[int, int],
        roi_size: tuple[int, int],
        overlap: float,
        mode: str,
        mirror_axes: Sequence[int],
        device: torch.device,
    ) -> None:
        self.network = network
        self.image_size = image_size
        padded = (max(image_size[0], roi_size[0]), max(image_size[1], roi_size[1]))
        self.padded_size = padded
        self.offset = ((padded[0] - image_size[0]) // 2, (padded[1] - image_size[1]) // 2)
        interval = [max(1, int(roi * (1 - overlap))) for roi in roi_size]
        self.windows = dense_patch_slices(padded, roi_size, interval)
        self.weights = self._window_weights(roi_size, mode, device) if len(self.windows) > 1 else None
        self._buffer: Tensor | None = None
        axes = sorted(set(mirror_axes))
        self.mirrors = [[axis + 2 for axis in chosen] for n in range(len(axes) + 1) for chosen in combinations(axes, n)]

    def _window_weights(self, roi_size: tuple[int, int], mode: str, device: torch.device) -> list[Tensor]:
        importance = (gaussian_weights(roi_size) if mode == "gaussian" else torch.ones(roi_size)).to(device)
        total = torch.zeros(self.padded_size, device=device)
        for window in self.windows:
            total[window] += importance
        return [importance / total[window] for window in self.windows]

    def bytes_per_slice(self, n_classes: int) -> int:
        """Return the bytes of class scores per slice: those of a window and of the blended slice."""
        height, width = self.windows[0][0].stop, self.windows[0][1].stop
        pixels = height * width * (2 if len(self.mirrors) > 1 else 1)
        if self.weights is not None:
            pixels += self.padded_size[0] * self.padded_size[1]
        return pixels * n_classes * 4

    def __call__(self, slices: Tensor, padding: Tensor) -> Tensor:
        """Score a batch of slices.

        Args:
            slices: slices [N, C, H, W].
            padding: values [C] around an image that is smaller than a window.

        Returns:
            Logits [N, K, H, W]: a view without the padding, valid until the next call; in the network's own type if one
            window suffices, else float32.
        """
        slices = self._pad(slices, padding)
        if self.weights is None:
            scores = self._mirrored(slices)
        else:
            blended = None
            for window, weight in zip(self.windows, self.weights, strict=True):
                scores = self._mirrored(slices[:, :, window[0], window[1]].contiguous())
                if blended is None:
                    blended = self._cleared(scores)
                blended[:, :, window[0], window[1]].addcmul_(scores, weight)
            assert blended is not None
            scores = blended
        (top, left), (height, width) = self.offset, self.image_size
        return scores[:, :, top : top + height, left : left + width]

    def _cleared(self, scores: Tensor) -> Tensor:
        """Return zeros [N, K, H, W] in the layout of ``scores``, as adding across layouts is four times slower.

        All batches share this memory: allocating new pages would cost as much as the blending.
        """
        n, n_classes = scores.shape[:2]
        if self._buffer is None or self._buffer.shape[0] < n:
            self._buffer = None  # free the smaller buffer before allocating the larger
            layout = torch.channels_last if scores.stride(1) == 1 else torch.contiguous_format
            size = (n, n_classes, *self.padded_size)
            self._buffer = torch.empty(size, device=scores.device, dtype=torch.float32, memory_format=layout)
        return self._buffer[:n].zero_()

    def _pad(self, slices: Tensor, padding: Tensor) -> Tensor:
        if self.padded_size == self.image_size:
            return slices
        n, channels, height, width = slices.shape
        top, left = self.offset
        padded = padding.view(1, channels, 1, 1).expand(n, channels, *self.padded_size).clone()
        padded[:, :, top : top + height, left : left + width] = slices
        return padded

    def _mirrored(self, windows: Tensor) -> Tensor:
        scores = self._checked(self.network(windows), windows)
        if len(self.mirrors) == 1:
            return scores
        mean = scores.to(torch.float32, copy=True)  # a copy, as the network may return its own buffer
        for axes in self.mirrors[1:]:
            mean += self.network(windows.flip(axes)).flip(axes)
        return mean.div_(len(self.mirrors))

    @staticmethod
    def _checked(scores: Tensor, windows: Tensor) -> Tensor:
        expected = (windows.shape[0], *windows.shape[2:])
        if scores.ndim != 4 or (scores.shape[0], *scores.shape[2:]) != expected:
            raise ValueError(
                f"the network returned scores {tuple(scores.shape)} for windows {tuple(windows.shape)}; expected one "
                f"score per class and pixel, [{expected[0]}, classes, {expected[1]}, {expected[2]}]"
            )
        return scores


def gaussian_weights(size: tuple[int, int]) -> Tensor:
    """Return nnU-Net's window weights: a standard deviation of an eighth of each side, centred on pixel side // 2.

    MONAI's `compute_importance_map` is shifted by half a pixel and clipped at a thousandth: with windows half a window
    apart, this changes the labels of 0.7 % of the organs' voxels.
    """
    rows, columns = (
        gaussian_filter1d(np.eye(1, side, side // 2)[0], side / 8, mode="constant", cval=0) for side in size
    )
    weights = np.outer(rows, columns) / (rows.max() * columns.max())
    # pixels that only corners of windows cover still need a weight
    weights[weights == 0] = weights[weights > 0].min()
    return torch.from_numpy(weights).float()
