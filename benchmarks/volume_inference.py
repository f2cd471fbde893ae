"""Seconds a volume, labels and memory of `VolumeInferer` against nnU-Net v2's predictor with the same weights.

Both see the same windows of the same slices (2D, half a window apart, Gaussian weights, no mirroring) on the CPU.
nnU-Net drives the published network in plain form (`nnunet_peer`) and, beside it, our own; whole cases include
normalisation and resampling by each side's own rules. Run: ``python benchmarks/volume_inference.py``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from common import spread, timed_in_turn, write_results
from monai.data import MetaTensor
from nnunet_peer import NnunetPeer, PlainSegmenter, check_plain_equals
from torch import Tensor

from meddino_components.checkpoints import load_segmenter_weights
from meddino_components.data.volumes.intensity import NormalizeIntensityByModalityd
from meddino_components.inference import VolumeInferer
from meddino_components.networks import MedDinoSegmenter, vit_backbone
from meddino_components.phantoms.render import render_case

LAPTOP = Path(__file__).parent.parent / "bundles" / "meddinov3_seg_amos" / "configs" / "laptop.json"
ROI = (256, 256)
N_CLASSES = 16
SPACING_MM = (5.0, 1.5, 1.5)  # slices, rows, columns
# the published MedDINOv3 network
PUBLISHED = {
    "qkv_bias": False,
    "layerscale_init": 1.0,
    "norm_layer": "layernorm",
    "pos_embed_rope_dtype": "bf16",
    "pos_embed_rope_rescale_coords": None,
}


def build_network(name: str, interaction_indices: Sequence[int] | None = None) -> MedDinoSegmenter:
    """The published network of a size with random weights."""
    torch.manual_seed(0)
    backbone = vit_backbone(name, **PUBLISHED)
    return MedDinoSegmenter(
        backbone=backbone, num_classes=N_CLASSES, in_channels=1, interaction_indices=interaction_indices
    ).eval()


def phantom(pixels: int, n_slices: int, in_plane_px: int = 240) -> Tensor:
    """A synthetic CT in HU as [1, D, H, W]: the middle slices of a phantom, padded with air or cut to size."""
    case = render_case(rng=np.random.default_rng(1), modality="ct", in_plane_px=in_plane_px, slice_mm=(5.0, 5.0))
    image = torch.as_tensor(np.ascontiguousarray(case.image.transpose(2, 0, 1)), dtype=torch.float32)
    image = image[max(0, (len(image) - n_slices) // 2) :][:n_slices]
    sides = [pixels - image.shape[2], pixels - image.shape[1]]
    pad = [part for side in sides for part in (side // 2, side - side // 2)]
    return torch.nn.functional.pad(image, pad, value=-1000.0)[None].contiguous()


def normalised(raw: Tensor, fingerprint: Mapping[str, float] | None = None) -> Tensor:
    """HU to what the network sees; a copy."""
    normalise = NormalizeIntensityByModalityd("image", modality="ct", fingerprint=fingerprint, check_modality=False)
    return normalise({"image": raw.clone()})["image"]


def as_input(volume: Tensor) -> MetaTensor:
    """[C, D, H, W] to the inferer's [1, C, H, W, D] with its spacing."""
    affine = torch.diag(torch.tensor([*SPACING_MM[1:], SPACING_MM[0], 1.0], dtype=torch.float64))
    return MetaTensor(volume.permute(0, 2, 3, 1)[None], affine=affine)


def our_labels(
    network: MedDinoSegmenter,
    volume: Tensor,
    *,
    roi_size: Sequence[int] = ROI,
    amp: bool = False,
    overlap: float = 0.5,
) -> Tensor:
    """Labels [D, H, W] of a preprocessed volume [C, D, H, W]."""
    inferer = VolumeInferer(roi_size=roi_size, overlap=overlap, amp=amp)
    return inferer(as_input(volume), network)[0, 0].permute(2, 0, 1)


def our_case(
    network: MedDinoSegmenter, raw: Tensor, *, pixdim: float, amp: bool = False, crop_to_body: bool = False
) -> Tensor:
    """Labels [1, 1, H, W, D] of a volume in HU: normalisation, resampling to ``pixdim`` and back."""
    inferer = VolumeInferer(roi_size=ROI, pixdim=pixdim, amp=amp, crop_to_body=crop_to_body)
    return inferer(as_input(normalised(raw)), network)


def compare(geometry: str, calls: dict[str, Callable[[], Any]], rounds: int) -> tuple[list[dict[str, Any]], Any]:
    """Rows of one geometry; "nnU-Net" is what the ratio refers to."""
    times = timed_in_turn(calls, rounds=rounds)
    reference = median(times["nnU-Net"])
    rows = [
        {
            "volume": geometry,
            "what": what,
            "seconds": f"{median(values):.2f}",
            "faster than nnU-Net": f"{reference / median(values):.2f}",
        }
        for what, values in times.items()
    ]
    for row in rows:
        print(row, flush=True)
    return rows, {what: spread(values) for what, values in times.items()}


def sliding_windows(network: MedDinoSegmenter, pixels: int, n_slices: int, rounds: int) -> Any:
    """Both on preprocessed slices, nothing resampled."""
    plain = PlainSegmenter(network).eval()
    volume = normalised(phantom(pixels, n_slices))
    configuration = {"n_classes": N_CLASSES, "roi_size": ROI, "step_size": 0.5, "pixdim_mm": SPACING_MM[1]}
    calls = {
        "nnU-Net": partial(NnunetPeer(network=plain, **configuration).labels, volume, SPACING_MM),
        "nnU-Net, our network": partial(NnunetPeer(network=network, **configuration).labels, volume, SPACING_MM),
        "VolumeInferer": partial(our_labels, network, volume),
        "VolumeInferer, bf16": partial(our_labels, network, volume, amp=True),
    }
    return compare(f"{pixels} x {pixels} x {n_slices}", calls, rounds)


def whole_case(network: MedDinoSegmenter, n_slices: int, rounds: int) -> Any:
    """From HU to labels on the input's grid, through a finer grid; 256 pixels become 307 and four windows."""
    raw, pixdim = phantom(256, n_slices), 1.25
    plain = PlainSegmenter(network).eval()
    peer = NnunetPeer(network=plain, n_classes=N_CLASSES, roi_size=ROI, step_size=0.5, pixdim_mm=pixdim)
    calls = {
        "nnU-Net": partial(peer.whole_case, raw, SPACING_MM),
        "VolumeInferer": partial(our_case, network, raw, pixdim=pixdim),
        "VolumeInferer, bf16": partial(our_case, network, raw, pixdim=pixdim, amp=True),
        "VolumeInferer, bf16, crop_to_body": partial(
            our_case, network, raw, pixdim=pixdim, amp=True, crop_to_body=True
        ),
    }
    return compare(f"256 x 256 x {n_slices}, 1.5 to {pixdim} mm", calls, rounds)


def agreement(checkpoint: str, config: Mapping[str, Any], n_windows: int, n_slices: int) -> dict[str, Any]:
    """Share of equal labels on the voxels that either side calls foreground.

    A network that was fine-tuned with an overlay sees what it was trained for: its spacing, intensities and window; of
    the larger volume four windows a slice are needed.
    """
    network = build_network(config["backbone"], config.get("interaction_indices"))
    load_segmenter_weights(network, checkpoint)
    side = config["roi_size"][0]
    pixels = side if n_windows == 1 else side * 3 // 2
    # a phantom is 390 mm wide
    raw = phantom(pixels, n_slices, in_plane_px=round(390 / config["pixdim"][0]))
    volume = normalised(raw, config.get("fingerprint"))
    roi_size = (side, side)
    peer = NnunetPeer(
        network=PlainSegmenter(network).eval(),
        n_classes=N_CLASSES,
        roi_size=roi_size,
        step_size=0.5,
        pixdim_mm=SPACING_MM[1],
    )
    theirs = peer.labels(volume, SPACING_MM)
    row: dict[str, Any] = {"volume": f"{pixels} x {pixels} x {n_slices}", "classes": int(theirs.unique().numel())}
    for name, amp in (("fp32", False), ("bf16", True)):
        ours = our_labels(network, volume, roi_size=roi_size, amp=amp)
        foreground = (ours > 0) | (theirs > 0)
        row[f"voxels, {name}"] = int(foreground.sum())
        row[f"equal, {name}"] = f"{100 * float((ours == theirs)[foreground].double().mean()):.4f} %"
    print(row, flush=True)
    return row


def peak_memory(side: str, pixels: int, n_slices: int) -> dict[str, float]:
    """Peak resident MiB of this process before and after one volume; ViT-tiny, windows side by side."""
    network = build_network("vit_tiny")
    volume = torch.randn(1, 1, pixels, pixels).expand(1, n_slices, pixels, pixels).contiguous()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if side == "ours":
        our_labels(network, volume, overlap=0.0)
    else:
        plain = PlainSegmenter(network).eval()
        NnunetPeer(network=plain, n_classes=N_CLASSES, roi_size=ROI, step_size=1.0, pixdim_mm=1.5).labels(
            volume, SPACING_MM
        )
    return {"before": round(before), "peak": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def measured_in_a_process(side: str, pixels: int, n_slices: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory-of", side, "--memory-volume", str(pixels), str(n_slices)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="vit_base", help="of the timed network, with random weights")
    parser.add_argument("--checkpoint", help="fine-tuned weights to compare labels with")
    parser.add_argument("--checkpoint-config", default=LAPTOP, help="overlay that it was fine-tuned with")
    parser.add_argument("--slices", type=int, default=12, help="of the timed volume with one window")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-volume", nargs=2, type=int, default=(512, 64), metavar=("PIXELS", "SLICES"))
    parser.add_argument("--memory-of", choices=["ours", "nnunet"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of:
        print(json.dumps(peak_memory(args.memory_of, *args.memory_volume)))
        return
    memory = {side: measured_in_a_process(side, *args.memory_volume) for side in ("ours", "nnunet")}
    print(memory, flush=True)
    labels = []
    if args.checkpoint:
        config = json.loads(Path(args.checkpoint_config).read_text(encoding="utf-8"))
        labels = [agreement(args.checkpoint, config, n_windows, 48) for n_windows in (1, 4)]
    network = build_network(args.backbone)
    difference = check_plain_equals(network, PlainSegmenter(network).eval(), ROI[0])
    notes = [
        "nnU-Net runs the network in plain form in fp32 (it has no bf16 on the CPU); largest difference of its logits "
        f"from ours {difference:.1e}.",
        *(f"Labels of a fine-tuned {config['backbone']}, {line}" for line in map(agreement_line, labels)),
        f"Peak memory of a process on {' x '.join(map(str, args.memory_volume))} slices, vit_tiny, in MiB: "
        + ", ".join(f"{side} {peak['peak']} ({peak['before']} before it starts)" for side, peak in memory.items()),
        "A volume with two spacings is a whole case: normalisation, resampling and resampling back by each side's own "
        "rules (nnU-Net: cubic for the image, linear for the class scores).",
    ]
    settings = {
        "network": f"{args.backbone}, levels 2 5 8 11, {N_CLASSES} classes, random weights",
        "window": "256 x 256",
        "overlap": 0.5,
        "slices in flight": 4,
        "rounds": args.rounds,
    }
    parts = [
        partial(sliding_windows, network, 256, args.slices, args.rounds),
        partial(sliding_windows, network, 384, max(2, args.slices // 2), args.rounds),
        partial(whole_case, network, max(2, args.slices // 3), args.rounds),
    ]
    rows: list[dict[str, Any]] = []
    times: list[Any] = []
    for part in parts:
        more_rows, more_times = part()
        rows += more_rows
        times.append(more_times)
        write_results(  # after each part, so that an interrupted run is not lost
            "volume_inference_cpu",
            rows,
            question="How long does a volume take, compared with nnU-Net v2 with the same weights and windows?",
            settings=settings,
            packages=["torch", "monai", "nnunetv2", "numpy"],
            notes=notes,
            details={"times": times, "labels": labels, "peak_mib": memory},
        )


def agreement_line(row: dict[str, Any]) -> str:
    shares = ", ".join(
        f"{name}: {row[f'equal, {name}']} of {row[f'voxels, {name}']} foreground voxels equal"
        for name in ("fp32", "bf16")
    )
    return f"{row['classes']} classes on {row['volume']}. {shares}."


if __name__ == "__main__":
    main()
