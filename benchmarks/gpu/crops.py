"""Crops for pretraining, cut on the device, against the same crops cut on the CPU."""

from __future__ import annotations

import numpy as np
import torch

from meddino_components.data.crops.distortions import CropDistortions
from meddino_components.data.crops.rendering import CropPlan, UnrenderedSample, collate_unrendered, render_batch
from meddino_components.data.crops.store_intensity import Normalization

from .check import Figures, Place, require

_LIMIT = 1e-3  # of normalised values, which are about 1; sums run in another order


def check_crops(place: Place, figures: Figures) -> None:
    """A batch with all distortions, whatever TF32 and autocast are set to."""
    torch.manual_seed(0)
    batch = collate_unrendered([_sample(seed, shape) for seed, shape in enumerate([(300, 280), (512, 512), (97, 410)])])
    expected = render_batch(batch, torch.device("cpu"))
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    with torch.autocast(place.device.type, torch.bfloat16):
        found = render_batch(batch, place.device)
    for kind, crops in expected.items():
        require(bool(torch.isfinite(found[kind]).all()), f"{kind}: a value is no finite number")
        apart = float((found[kind].cpu() - crops).abs().max())
        figures[kind] = {"crops": len(crops), "largest_difference": float(f"{apart:.3g}"), "limit": _LIMIT}
        require(apart <= _LIMIT, f"{kind}: a pixel is off by {apart:.3g}, allowed {_LIMIT:g}")


def _sample(seed: int, shape: tuple[int, int]) -> UnrenderedSample:
    rng = np.random.default_rng(seed)
    height, width = shape
    sizes = rng.integers(32, [height + 1, width + 1], (10, 2))
    windows = np.concatenate([rng.integers(0, np.array(shape) - sizes + 1), sizes], axis=1)
    kinds = ("noise", "smooth", "scale", "low_resolution", "contrast")
    distortions = CropDistortions(**{f"{kind}_probability": 0.5 for kind in kinds})

    def plan(size: int, part: slice) -> CropPlan:
        n = len(windows[part])
        return CropPlan(
            size=size, windows=windows[part], flips=rng.random(n) < 0.5, distortions=distortions.draw(rng, n)
        )

    return UnrenderedSample(
        pixels=rng.integers(-1200, 2000, shape).astype(np.int16),
        normalization=Normalization(-1000.0, 1000.0, 65.0, 178.0),
        plans={"global_crops": plan(256, slice(2)), "local_crops": plan(112, slice(2, 10))},
    )
