"""Whole volumes: segmenting and evaluating by the bundle's commands, and running out of memory in the middle of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import Tensor, nn

from meddino_components.data import class_names

from . import bundles
from .bundles import AMOS, command_of, run
from .check import Figures, Place, require

# share of voxels with the same label; a rounded score can turn the label of a voxel between two organs
_SAME = {"fp32": 0.999, "bf16": 0.95, "fewer slices at once": 0.999}
_SLICES_AT_ONCE = 8
_SHORT_FROM = 3  # the first batch is one slice, which tells how many classes there are; the second is whole


def check_inference(place: Place, figures: Figures) -> None:
    """One scan through ``inference.json``, on the device in fp32 and in bf16, against the CPU in fp32."""
    weights, figures["trained"] = bundles.model(place)
    expected = _segmented(place, weights, "segmented_cpu", CUDA_VISIBLE_DEVICES="") if place.on_cuda else None
    found = _segmented(place, weights, "segmented")
    scan = nib.load(bundles.a_scan(place))
    require(found.shape == scan.shape, f"labels of {found.shape} for a scan of {scan.shape}")
    rounded = _segmented(place, weights, "segmented_bf16", amp=True)
    figures["labels"] = np.unique(found).tolist()
    same = {"bf16": float((rounded == found).mean())}
    if expected is not None:
        same["fp32"] = float((found == expected).mean())
    figures["same_label"] = same
    for kind, share in same.items():
        require(share >= _SAME[kind], f"{kind}: {share:.4%} of the voxels have the same label, asked {_SAME[kind]:.1%}")


def _segmented(place: Place, weights: Path, name: str, amp: bool = False, **variables: str) -> Any:
    output = place.folder / name
    overrides = _overrides(weights, output, dataset_dir=str(bundles.a_scan(place)), modality="ct", amp=amp)
    run(place, command_of(AMOS, ["inference"], overrides), name, **variables)
    (labels,) = output.glob("*.nii.gz")
    return np.asarray(nib.load(labels).dataobj)


def _overrides(weights: Path, output: Path, **more: Any) -> dict[str, Any]:
    # the rest is in the record of the weights
    return {"amp": False, "model_path": str(weights), "output_dir": str(output), "overlay": False, **more}


def check_evaluation(place: Place, figures: Figures) -> None:
    """``evaluate.json`` on held-out cases: its Dice is that of the labels which it writes."""
    weights, figures["trained"] = bundles.model(place)
    output, data = place.folder / "evaluated", bundles.data_set(place)
    run(place, command_of(AMOS, ["evaluate"], _overrides(weights, output, dataset_dir=str(data))), "evaluated")
    metrics = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    figures["mean_dice"] = metrics["mean_dice"]
    names = class_names(dataset_dir=data, layout="amos")
    written = sorted(output.rglob("amos_*.nii.gz"))
    require(bool(written), "no label map was written")
    pairs = [(_voxels(path), _voxels(data / "labelsTr" / path.name)) for path in written]
    worst = 0.0
    for number, name in enumerate(names):
        if name in metrics["organs"]:
            dice = [_dice(found == number, reference == number) for found, reference in pairs]
            known = [value for value in dice if value is not None]
            if known and metrics["organs"][name]["dice"]["mean"] is not None:
                worst = max(worst, abs(float(np.mean(known)) - metrics["organs"][name]["dice"]["mean"]))
    figures["largest_difference"] = worst
    require(worst < 1e-4, f"a reported Dice is {worst:.3g} from that of the written labels")


def _voxels(path: Path) -> Any:
    return np.asarray(nib.load(path).dataobj)


def _dice(found: Any, reference: Any) -> float | None:
    """None where the reference has nothing of the class."""
    return float(2 * (found & reference).sum() / (found.sum() + reference.sum())) if reference.any() else None


class _ShortOfMemory(nn.Module):
    """A network that calls back before each batch, and counts the batches that do not fit."""

    def __init__(self, network: nn.Module, before: Callable[[int, int], None]) -> None:
        super().__init__()
        self.network, self.before = network, before
        self.calls, self.out_of_memory = 0, 0
        self.sizes: list[int] = []

    def forward(self, slices: Tensor) -> Tensor:
        self.calls += 1
        try:
            self.before(self.calls, len(slices))
            scores: Tensor = self.network(slices)
        except torch.OutOfMemoryError:
            self.out_of_memory += 1
            raise
        self.sizes.append(len(slices))
        return scores


def check_out_of_memory(place: Place, figures: Figures) -> None:
    """Memory becomes short after the first slices: fewer run at once, and the labels stay the same."""
    from meddino_components.inference import VolumeInferer
    from meddino_components.networks import MedDinoSegmenter, vit_backbone

    side, n_slices = (512, 40) if place.on_cuda else (64, 40)
    torch.manual_seed(0)
    backbone = vit_backbone("vit_small" if place.on_cuda else "vit_tiny", layerscale_init=1.0)
    network = MedDinoSegmenter(backbone=backbone, num_classes=16, in_channels=1).eval().to(place.device)
    volume = torch.randn(1, 1, side, side, n_slices, generator=torch.Generator().manual_seed(0))
    inferer = VolumeInferer(roi_size=(side, side), overlap=0.0, slice_batch_size=_SLICES_AT_ONCE, score_memory_mb=2**14)
    expected = inferer(volume, network)
    shortage = _limit_of_cuda(place, network, side) if place.on_cuda else _simulated_shortage
    short = _ShortOfMemory(network, shortage)
    try:
        found = inferer(volume, short)
    finally:
        if place.on_cuda:
            torch.cuda.set_per_process_memory_fraction(1.0, place.device)
    same = float((found == expected).float().mean())
    figures |= {"out_of_memory": short.out_of_memory, "slices_at_once": short.sizes, "same_label": same}
    require(short.out_of_memory > 0, "memory was to run out and did not")
    before, after = short.sizes[: _SHORT_FROM - 1], short.sizes[_SHORT_FROM - 1 :]
    require(max(before) == _SLICES_AT_ONCE, f"{max(before)} slices ran at once before memory became short")
    require(max(after) < _SLICES_AT_ONCE, "as many slices ran at once as before")
    asked = _SAME["fewer slices at once"]
    require(same >= asked, f"{same:.4%} of the voxels have the same label, asked {asked:.1%}")


def _simulated_shortage(call: int, n_slices: int) -> None:
    if call >= _SHORT_FROM and n_slices > _SLICES_AT_ONCE // 2:
        raise torch.OutOfMemoryError("simulated")


def _limit_of_cuda(place: Place, network: nn.Module, side: int) -> Callable[[int, int], None]:
    """Let the process have less memory, after the second batch, than a whole batch needs."""

    def peak(n_slices: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(place.device)
        with torch.no_grad():
            network(torch.zeros(n_slices, 1, side, side, device=place.device))
        return torch.cuda.max_memory_reserved(place.device)

    whole, half = peak(_SLICES_AT_ONCE), peak(_SLICES_AT_ONCE // 2)
    # between the two, but with room for the volume's own slices
    limit = half + (whole - half) // 2
    total = torch.cuda.get_device_properties(place.device).total_memory

    def shorten(call: int, n_slices: int) -> None:
        if call == _SHORT_FROM:
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(limit / total, place.device)

    return shorten
