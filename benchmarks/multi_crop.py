"""Crops a second and core of `MultiCropDataset` against lightly's `DINOTransform` on the same slices.

Both give the crops of one size list, cut by the same rule, resized by antialiased bicubic interpolation, normalised
and in three channels, in one thread. Slices lie in memory: ours as int16, lightly's as 8-bit RGB pictures and as fp32
tensors, made before the clock starts. The ratio is the peer's median over ours, so above 1 ours is faster.

Two more comparisons say why the parts are our own: torch's antialiased interpolation, and MONAI's random transforms.

Run: ``python benchmarks/multi_crop.py``; ``--help`` lists what can be made smaller.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torchvision_shim  # noqa: F401  lightly imports torchvision
from common import CLOCKS, spread, table, timed_in_turn, write_results
from lightly.transforms import DINOTransform
from monai.transforms import (
    Compose,
    Orientation,
    RandAdjustContrast,
    RandGaussianNoise,
    RandGaussianSmooth,
    RandScaleIntensity,
    RandSimulateLowResolution,
)
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from meddino_components.data import LoadVolumed, in_plane_spacing
from meddino_components.data.crops.distortions import CropDistortions, distort_, draw_noise
from meddino_components.data.crops.multi_crop import MultiCropDataset
from meddino_components.data.crops.rendering import UnrenderedSample, render_sample
from meddino_components.phantoms import write_phantoms
from meddino_components.slice_planes import AXIAL

N_GLOBAL, N_LOCAL = 2, 8
GLOBAL, LOCAL = 256, 112
GLOBAL_SCALE, LOCAL_SCALE = (0.32, 1.0), (0.05, 0.32)
WINDOW_HU = (-1000.0, 1000.0)
SAMPLES = 8  # whose crops are distorted in a call
OURS, PICTURE, TENSOR = "ours", "lightly, 8-bit picture", "lightly, fp32 tensor"


class Slices:
    """What `MultiCropDataset` needs of a store, in memory."""

    def __init__(self, pixels: Sequence[NDArray[np.int16]], spacing_mm: tuple[float, float, float]) -> None:
        self.pixels, self._spacing_mm = pixels, spacing_mm
        self.slices = np.zeros(len(pixels), dtype=[("volume", "<i4")])

    def __len__(self) -> int:
        return len(self.pixels)

    def read(self, index: int) -> NDArray[np.int16]:
        return self.pixels[index]

    def spacing_mm(self, index: int) -> tuple[float, float, float]:
        return self._spacing_mm

    def volume(self, number: int) -> SimpleNamespace:
        return SimpleNamespace(modality="ct", scale=1.0, offset=0.0)


def read_slices(scan: str, n_slices: int) -> Slices:
    """Slices spread evenly over the middle half of a CT."""
    volume = LoadVolumed("image")({"image": scan, "case_id": "scan"})["image"]
    volume = Orientation(axcodes=AXIAL)(volume)
    depth = volume.shape[-1]
    numbers = np.linspace(depth // 4, 3 * depth // 4, n_slices).round().astype(int)
    rows_mm, columns_mm = in_plane_spacing(volume.affine)
    pixels = [np.ascontiguousarray(volume[0, ..., k].numpy().round().astype(np.int16)) for k in numbers]
    return Slices(pixels, (rows_mm, columns_mm, 1.0))


def lightly_transform(full: bool) -> DINOTransform:
    """Lightly's own recipe, or crops and flips alone."""
    plain: dict[str, Any] = {
        "cj_prob": 0.0,
        "random_gray_scale": 0.0,
        "gaussian_blur": (0.0, 0.0, 0.0),
        "solarization_prob": 0.0,
    }
    return DINOTransform(
        global_crop_size=GLOBAL,
        global_crop_scale=GLOBAL_SCALE,
        local_crop_size=LOCAL,
        local_crop_scale=LOCAL_SCALE,
        n_local_views=N_LOCAL,
        **({} if full else plain),
    )


def our_dataset(slices: Slices, full: bool, render: bool = True) -> MultiCropDataset:
    """Our own recipe, or crops and flips alone."""
    return MultiCropDataset(
        store=slices,  # type: ignore[arg-type]
        global_crops_size=GLOBAL,
        n_global_crops=N_GLOBAL,
        local_crops_size=LOCAL,
        n_local_crops=N_LOCAL,
        global_crops_scale=GLOBAL_SCALE,
        local_crops_scale=LOCAL_SCALE,
        flip_probability=0.5,
        render=render,
        distortions=CropDistortions() if full else None,
    )


def contenders(slices: Slices, full: bool) -> dict[str, Callable[[], Any]]:
    """Each makes all crops of all slices, in three channels."""
    dataset = our_dataset(slices, full)
    low, high = WINDOW_HU
    shares = [((np.clip(pixels, low, high) - low) / (high - low)).astype(np.float32) for pixels in slices.pixels]
    pictures = [Image.fromarray((255 * share).round().astype(np.uint8)).convert("RGB") for share in shares]
    tensors = [torch.from_numpy(share).expand(3, -1, -1).contiguous() for share in shares]
    transform = lightly_transform(full)
    seen = 0

    def ours() -> None:
        nonlocal seen
        for index in range(seen, seen + len(slices)):
            sample = dataset[index]
            _ = [crop.repeat(3, 1, 1) for kind in ("global_crops", "local_crops") for crop in sample[kind]]
        seen += len(slices)

    calls: dict[str, Callable[[], Any]] = {OURS: ours, PICTURE: lambda: [transform(image) for image in pictures]}
    if not full:  # lightly's blur takes pictures alone
        calls[TENSOR] = lambda: [transform(image) for image in tensors]
    return calls


def rendering(slices: Slices) -> dict[str, Callable[[], Any]]:
    """All crops of given windows, clipped and normalised: our weighted sums, or torch's interpolation."""
    dataset = our_dataset(slices, full=False, render=False)
    samples = [dataset[index]["unrendered"] for index in range(len(slices))]

    def torchs(sample: UnrenderedSample) -> None:
        pixels = torch.from_numpy(sample.pixels)
        low, high, mean, std = sample.normalization
        for plan in sample.plans.values():
            for (top, left, height, width), flip in zip(plan.windows.tolist(), plan.flips, strict=True):
                window = pixels[None, None, top : top + height, left : left + width].float()
                crop = interpolate(window, (plan.size, plan.size), mode="bicubic", antialias=True)
                (crop.flip(-1) if flip else crop).clamp_(low, high).sub_(mean).div_(std)

    return {
        OURS: lambda: [render_sample(sample) for sample in samples],
        "torch's interpolate": lambda: [torchs(sample) for sample in samples],
    }


def distorting() -> dict[str, Callable[[], Any]]:
    """Random changes of all crops of a sample, by the same probabilities and ranges."""
    crops = [torch.rand(N_GLOBAL, GLOBAL, GLOBAL), torch.rand(N_LOCAL, LOCAL, LOCAL)]
    rng, distortions = np.random.default_rng(0), CropDistortions()
    chain = Compose(
        [
            RandGaussianNoise(prob=0.1, std=0.3),
            RandGaussianSmooth(prob=0.2, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0)),
            RandScaleIntensity(prob=0.15, factors=0.25),
            RandSimulateLowResolution(prob=0.25, zoom_range=(0.5, 1.0), upsample_mode="bilinear"),
            RandAdjustContrast(prob=0.1, gamma=(0.7, 1.5), retain_stats=True),
        ]
    ).set_random_state(0)

    def ours(images: Tensor) -> None:
        drawn = distortions.draw(rng, len(images))
        distort_(images.clone(), drawn, draw_noise(drawn, images.shape[-1]))

    return {
        OURS: lambda: [ours(images) for _ in range(SAMPLES) for images in crops],
        "MONAI's transforms": lambda: [chain(crop[None]) for _ in range(SAMPLES) for part in crops for crop in part],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scan", help="a CT of any format that the project reads; default: a phantom of 512 x 512")
    parser.add_argument("--slices", type=int, default=8, help="of the scan, all cropped once a round")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=0.0, help="go on with a comparison for so long")
    parser.add_argument("--clock", choices=CLOCKS, default="cpu", help="of one thread, so that neighbours matter less")
    parser.add_argument("--dry-run", action="store_true", help="print, write no result file")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*to_tensor.*")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    measure = partial(timed_in_turn, rounds=arguments.rounds, seconds=arguments.seconds, clock=CLOCKS[arguments.clock])
    with tempfile.TemporaryDirectory() as folder:
        scan = arguments.scan
        if scan is None:
            root = write_phantoms(folder, n_ct=1, n_val_ct=0, in_plane_px=512, slice_mm=(20.0, 21.0))
            scan = str(next((Path(root) / "imagesTr").glob("*.nii.gz")))
        slices = read_slices(scan, arguments.slices)

    per_sample = N_GLOBAL + N_LOCAL
    comparisons = {
        "crop and flip": (contenders(slices, full=False), len(slices), 1.5),
        "each its full recipe": (contenders(slices, full=True), len(slices), "-"),
        "the interpolation alone": (rendering(slices), len(slices), "-"),
        "the distortions alone": (distorting(), SAMPLES, "-"),
    }
    rows, details = [], {}
    for what, (calls, n_samples, asked) in comparisons.items():
        times = measure(calls)
        seconds = {name: median(values) for name, values in times.items()}
        details[what] = {name: spread(values) for name, values in times.items()}
        for peer in list(calls)[1:]:
            row: dict[str, Any] = {"what": what, "peer": peer}
            for name, party in ((OURS, OURS), ("peer's", peer)):
                row[f"{name}, crops/s"] = round(n_samples * per_sample / seconds[party])
            rows.append(row | {"ratio": f"{seconds[peer] / seconds[OURS]:.2f}", "asked": asked})
    question = (
        "How many crops per second and core, compared with lightly's DINOTransform for the same slices and crops, with "
        "three channels?"
    )
    settings = {
        "slices": f"{len(slices)} of {slices.pixels[0].shape[0]} x {slices.pixels[0].shape[1]}",
        "scan": "given" if arguments.scan else "phantom",
        "global": f"{N_GLOBAL} x {GLOBAL}",
        "local": f"{N_LOCAL} x {LOCAL}",
        "clock": arguments.clock,
        "rounds": arguments.rounds,
        "our recipe": "noise, smoothing, scale, low resolution, contrast (CropDistortions)",
        "lightly's recipe": "colour jitter, grey scale, blur, solarisation (its defaults)",
    }
    if arguments.dry_run:
        print(table(rows))
        return
    packages = ("torch", "numpy", "monai", "lightly", "torchvision", "pillow")
    write_results("multi_crop_cpu", rows, question=question, settings=settings, packages=packages, details=details)


if __name__ == "__main__":
    main()
