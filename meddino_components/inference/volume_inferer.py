"""Segment a volume on its own grid, slice by slice, in the memory of a few slices.

Shapes: C channels, H rows, W columns, D slices of the volume; N slices at a time, K classes; h x w a window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import optional_import
from torch import Tensor

from ..data.volumes.body_region import body_region
from ..data.volumes.marked_background import value_outside
from ..data.volumes.regions import Regions
from ..data.volumes.resampling import ImageResampling, in_plane_spacing
from .autocast import computing
from .ensemble_inference import EnsembleOnVolume, MemberOnVolume
from .foreground_share import ForegroundShare
from .model_settings import ModelSettings
from .network_ensemble import MemberNetwork, NetworkEnsemble
from .slice_labeller import OpenProbabilities, Region, SliceLabeller
from .slice_scorer import SliceScorer
from .volume_slices import BLOCK, VolumeSlices, volume_slices


class VolumeInferer(Inferer):
    """Segment a volume [1, C, H, W, D] slice by slice with a two-dimensional network.

    Class scores are converted to labels on the volume's own grid before the next slices are computed, so memory holds a
    few slices and the label map, whatever the numbers of slices and classes. If memory runs out, half as many slices
    are computed at a time.

    Args:
        roi_size: window size (h, w) of the network, in pixels of the resampled slice.
        pixdim: in-plane spacing in mm at which the network runs, one number or (rows, columns); None means the volume's
            own.
        overlap: share of a window that overlaps with the next one, in [0, 1).
        slice_batch_size: largest number of slices at a time; each window position runs for all of them at once.
        mode: kind of weights for overlapping windows, "gaussian" or "constant".
        mirror_axes: in-plane axes (0 rows, 1 columns) to mirror; the logits of all combinations are averaged (as
            nnU-Net does). Mirroring the columns of axial and coronal slices swaps left and right organs.
        context_slices: number of slices as channels, 1 or 3; with 3, in the order previous, current, next. The volume's
            end slices are their own neighbours.
        crop_to_body: whether to segment only inside the box around the body; labels outside are 0.
        background: value of the image outside the patient, if the data set marks it; it decides the padding of slices
            smaller than a window, see `value_outside`.
        resampling: interpolation of slices to `pixdim`, as in training: "bilinear" or "cubic", see `resize_slices`.
            Scores are resampled back linearly.
        regions: nested regions that the network's scores belong to, each with a sigmoid; None for mutually exclusive
            classes.
        amp: whether and how to compute in low precision, see `autocast_dtype`.
        foreground_share: whether to return probabilities of background and foreground [1, 2, H, W, D] float32 instead
            of labels.
        score_memory_mb: largest memory in MiB for the class scores of slices at a time; at least one slice always runs.
        progress: whether to show a progress bar over slices (needs tqdm).
    """

    def __init__(
        self,
        *,
        roi_size: Sequence[int],
        pixdim: float | Sequence[float] | None = None,
        overlap: float = 0.5,
        slice_batch_size: int = 4,
        mode: str = "gaussian",
        mirror_axes: Sequence[int] = (),
        context_slices: int = 1,
        crop_to_body: bool = False,
        background: float | None = None,
        resampling: ImageResampling = "bilinear",
        regions: Regions | None = None,
        amp: bool | str = False,
        foreground_share: bool = False,
        score_memory_mb: float = 512,
        progress: bool = False,
    ) -> None:
        self.roi_size = (int(roi_size[0]), int(roi_size[1]))
        if pixdim is None:
            self.pixdim = None
        elif isinstance(pixdim, (int, float)):
            self.pixdim = (float(pixdim), float(pixdim))
        else:
            self.pixdim = (float(pixdim[0]), float(pixdim[1]))
        self.overlap = overlap
        self.slice_batch_size = slice_batch_size
        self.mode = mode
        self.mirror_axes = tuple(mirror_axes)
        self.context_slices = context_slices
        self.crop_to_body = crop_to_body
        self.outside = value_outside(background)
        self.resampling = resampling
        self.regions = regions
        self.amp = amp
        self.foreground_share = foreground_share
        self.score_memory_mb = score_memory_mb
        self.progress = progress
        self._check()

    def _check(self) -> None:
        rules = {
            "roi_size must be two positive numbers": len(self.roi_size) == 2 and min(self.roi_size) > 0,
            "pixdim must be positive (mm)": self.pixdim is None or min(self.pixdim) > 0,
            "overlap must be at least 0 and below 1": 0 <= self.overlap < 1,
            "slice_batch_size must be at least 1": self.slice_batch_size >= 1,
            "mode must be 'gaussian' or 'constant'": self.mode in ("gaussian", "constant"),
            "mirror_axes may hold 0 (rows) and 1 (columns)": set(self.mirror_axes) <= {0, 1},
            "resampling must be 'bilinear' or 'cubic'": self.resampling in ("bilinear", "cubic"),
            "context_slices must be 1 or 3": self.context_slices in (1, 3),
        }
        for rule, kept in rules.items():
            if not kept:
                raise ValueError(rule)

    def __call__(
        self, inputs: Tensor, network: Callable[[Tensor], Tensor], probabilities: OpenProbabilities | None = None
    ) -> Tensor:
        """Segment one volume.

        Args:
            inputs: volume [1, C, H, W, D] on any device, with slices oriented as in training and normalised
                intensities. The spacing is read from a MetaTensor's affine; a plain tensor runs at its own spacing.
            network: function from windows [N, C * context_slices, h, w] to logits [N, K, h, w]. It runs on the device
                of its parameters. A `NetworkEnsemble` has the windows, grids and channels of its own networks.
            probabilities: function called once with K; returns an array [K, H, W, D] into which the softmax is written.

        Returns:
            Labels [1, 1, H, W, D] uint8 on the CPU, with the metadata of ``inputs`` if it has any.

        Raises:
            InputError: scores of a slice are not finite, or not even one slice fits into memory.
        """
        if inputs.ndim != 5 or inputs.shape[0] != 1:
            raise ValueError(f"expected one volume [1, C, H, W, D], got {tuple(inputs.shape)}")
        spacing_mm = in_plane_spacing(_affine(inputs)) if isinstance(inputs, MetaTensor) else None
        volume = (inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs)[0]
        labels = torch.zeros(volume.shape[3], *volume.shape[1:3], dtype=torch.uint8)
        share = None
        if self.foreground_share:
            if probabilities is not None:
                raise ValueError("foreground_share and probabilities exclude each other")
            share = ForegroundShare(shape=tuple(volume.shape[1:]), regions=self.regions is not None)
            probabilities = lambda n_classes: share  # noqa: E731
        if isinstance(network, NetworkEnsemble):
            ensemble = self._ensemble_on(volume, spacing_mm, network)
            ensemble.write_labels(labels, probabilities, self._with_progress)
        else:
            device = next((p.device for p in getattr(network, "parameters", list)()), volume.device)
            # one context around the volume, so that autocast converts the weights once
            with computing(network, device, self.amp):
                self._segment(volume, spacing_mm, network, device, labels, probabilities)
        result = labels.permute(1, 2, 0)[None, None]
        if share is not None:
            result = torch.from_numpy(share.array)[None].float()
        if not isinstance(inputs, MetaTensor):
            return result
        return MetaTensor(result).copy_meta_from(inputs)

    def _segment(
        self,
        volume: Tensor,
        spacing_mm: Sequence[float] | None,
        network: Callable[[Tensor], Tensor],
        device: torch.device,
        labels: Tensor,
        probabilities: OpenProbabilities | None,
    ) -> None:
        slices = self._slices_of(volume, spacing_mm, self._body_in(volume, spacing_mm))
        rows, columns, depth = slices.region
        labeller = SliceLabeller(
            scorer=self._scorer(network, slices, device),
            size=slices.size,
            network_size=slices.network_size,
            padding=self._padding(volume, device),
            resampling=self.resampling,
            max_batch=self.slice_batch_size,
            score_bytes=self._score_bytes,
            open_probabilities=probabilities,
            region=slices.region,
            whole=slices.size == tuple(volume.shape[1:3]) and depth == slice(0, volume.shape[3]),
            regions=self.regions,
        )
        starts = range(depth.start, depth.stop, BLOCK)
        for start in self._with_progress(starts):
            stop = min(start + BLOCK, depth.stop)
            block = slices.block(volume, start, stop, device)
            labels[start:stop, rows, columns].copy_(labeller.label_block(block, start))

    @property
    def _score_bytes(self) -> int:
        return int(self.score_memory_mb * 2**20)

    def _ensemble_on(
        self, volume: Tensor, spacing_mm: Sequence[float] | None, ensemble: NetworkEnsemble
    ) -> EnsembleOnVolume:
        body = self._body_in(volume, spacing_mm)

        def on_volume(network: MemberNetwork) -> MemberOnVolume:
            planned = self._planned_for(network.settings)
            slices = planned._slices_of(volume, spacing_mm, body)
            return MemberOnVolume(
                network=network,
                slices=slices,
                scorer=lambda in_memory: planned._scorer(in_memory, slices, ensemble.device),
                padding=planned._padding(volume, ensemble.device),
                resampling=planned.resampling,
                max_batch=self.slice_batch_size,
            )

        return EnsembleOnVolume(
            volume=volume,
            ensemble=ensemble,
            members=[on_volume(network) for network in ensemble.members()],
            regions=self.regions,
            amp=self.amp,
            score_bytes=self._score_bytes,
        )

    def _planned_for(self, settings: ModelSettings) -> VolumeInferer:
        """Return this inferer with the window, the grid and the channels of another network."""
        return VolumeInferer(
            roi_size=settings.roi_size,
            pixdim=settings.pixdim,
            overlap=self.overlap,
            mode=self.mode,
            mirror_axes=self.mirror_axes,
            context_slices=settings.context_slices,
            background=settings.background,
            resampling=cast(ImageResampling, settings.resampling),
        )

    def _body_in(self, volume: Tensor, spacing_mm: Sequence[float] | None) -> Region | None:
        return body_region(volume, spacing_mm=spacing_mm) if self.crop_to_body else None

    def _slices_of(self, volume: Tensor, spacing_mm: Sequence[float] | None, body: Region | None) -> VolumeSlices:
        return volume_slices(
            volume.shape[1:],
            spacing_mm=spacing_mm,
            pixdim=self.pixdim,
            context_slices=self.context_slices,
            body=body,
        )

    def _scorer(self, network: Callable[[Tensor], Tensor], slices: VolumeSlices, device: torch.device) -> SliceScorer:
        return SliceScorer(
            network=network,
            image_size=slices.network_size,
            roi_size=self.roi_size,
            overlap=self.overlap,
            mode=self.mode,
            mirror_axes=self.mirror_axes,
            device=device,
        )

    def _padding(self, volume: Tensor, device: torch.device) -> Tensor:
        return torch.full((volume.shape[0] * self.context_slices,), self.outside, device=device)

    def _with_progress(self, starts: range) -> Any:
        if not self.progress:
            return starts
        tqdm, _ = optional_import("tqdm", name="tqdm")
        return tqdm(starts, unit=f"{starts.step} slices")


def _affine(inputs: MetaTensor) -> Tensor:
    affine: Tensor = inputs.affine
    return affine[0] if affine.ndim == 3 else affine  # a loader's batch stacks affines
