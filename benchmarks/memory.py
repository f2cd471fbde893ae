"""Peak memory of a whole case, from NIfTI to written labels: 512 x 512 x 600, for 16 and for 64 classes.

Each measurement is a process of its own: load, orient, normalise, segment, write. The volume is larger than most
scans; what is asked is under 3 GiB, and the same for both numbers of classes. Run: ``python benchmarks/memory.py``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nibabel as nib
import numpy as np
import torch
from common import write_results
from monai.transforms import Compose, Orientationd

from meddino_components.data.volumes.intensity import NormalizeIntensityByModalityd
from meddino_components.data.volumes.loading import LoadVolumed
from meddino_components.inference import VolumeInferer
from meddino_components.inference.writers import WriteCased
from meddino_components.networks import MedDinoSegmenter, vit_backbone
from meddino_components.slice_planes import AXIAL

LIMIT_GIB = 3.0
LIMIT_DIFFERENCE = 0.10
SECONDS = ("seconds to labels", "to write")


def write_volume(path: Path, size: tuple[int, int, int]) -> None:
    """An int16 NIfTI in the commonest stored orientation (LAS): an ellipse with texture in air, slice by slice."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    inside = (rows / 0.8) ** 2 + (columns / 0.6) ** 2 < 1
    body = np.where(inside, rng.normal(40, 60, size[:2]), -1000).astype(np.int16)
    voxels = np.empty(size, dtype=np.int16, order="F")
    for k in range(size[2]):
        voxels[:, :, k] = body
    affine = np.diag([-0.8, -0.8, 1.0, 1.0])
    nib.save(nib.Nifti1Image(voxels, affine), path)


def run_case(image: Path, output_dir: Path, n_classes: int, *, pixdim: float | None) -> dict[str, float]:
    """Peak resident MiB of this process after each step."""

    def peak() -> int:
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)

    torch.manual_seed(0)
    network = MedDinoSegmenter(backbone=vit_backbone("vit_tiny"), num_classes=n_classes, in_channels=1).eval()
    peaks = {"network built": peak()}
    started = perf_counter()
    read = Compose(
        [
            LoadVolumed("image"),
            Orientationd("image", axcodes=AXIAL, labels=None),
            NormalizeIntensityByModalityd("image", modality="ct"),
        ]
    )
    case = read({"image": str(image), "case_id": f"case_{n_classes}"})
    peaks["read"] = peak()
    inferer = VolumeInferer(roi_size=(256, 256), overlap=0.0, pixdim=pixdim, amp=True)
    case["pred"] = inferer(case["image"][None], network)[0]
    peaks["segmented"] = peak()
    segmented = perf_counter()
    names = ["background", *(f"class_{k}" for k in range(1, n_classes))]
    WriteCased(output_dir=output_dir, label_names=names)(case)
    took = (segmented - started, perf_counter() - segmented)
    seconds = {name: round(value, 1) for name, value in zip(SECONDS, took, strict=True)}
    return {**peaks, "written": peak(), **seconds}


def measured_in_a_process(image: Path, folder: Path, n_classes: int, pixdim: float) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", str(image), str(folder), str(n_classes), "--pixdim", str(pixdim)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", nargs=3, type=int, default=(512, 512, 600))
    parser.add_argument("--classes", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--pixdim", type=float, default=1.6, help="in-plane mm of the network; the volume has 0.8")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        image, folder, n_classes = args.case
        print(json.dumps(run_case(Path(image), Path(folder), int(n_classes), pixdim=args.pixdim)))
        return
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.nii.gz"
        write_volume(image, tuple(args.size))
        measured = {k: measured_in_a_process(image, Path(folder), k, args.pixdim) for k in args.classes}
    rows = [
        {
            "classes": n_classes,
            **{step if step in SECONDS else f"{step}, MiB": value for step, value in peaks.items()},
        }
        for n_classes, peaks in measured.items()
    ]
    highest = [peaks["written"] for peaks in measured.values()]
    difference = max(highest) / min(highest) - 1
    kept = max(highest) < 1024 * LIMIT_GIB and difference <= LIMIT_DIFFERENCE
    write_results(
        "memory_cpu",
        rows,
        question="How much memory does a large volume take, and does it depend on the number of classes?",
        settings={
            "volume": " x ".join(map(str, args.size)) + " int16",
            "network": "vit_tiny",
            "window": "256 x 256",
            "pixdim": args.pixdim,
            "amp": True,
        },
        packages=["torch", "monai", "nibabel", "numpy"],
        notes=[
            "Peak resident memory of a fresh process up to and including each step.",
            f"Largest peak {max(highest) / 1024:.2f} GiB (target: under {LIMIT_GIB:g}); the peaks differ by "
            f"{100 * difference:.1f} % (target: at most {100 * LIMIT_DIFFERENCE:.0f} %): "
            f"{'met' if kept else 'NOT MET'}.",
        ],
    )


if __name__ == "__main__":
    main()
