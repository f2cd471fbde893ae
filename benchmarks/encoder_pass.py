"""Embeddings a second of `embed` against a plain loop over transformers' `DINOv3ViTModel` with the same weights.

The same pictures of the network's own size, as PNG files and as one compressed .npz like MedMNIST's; a DataLoader with
as many workers and the same batches; CLS token and mean of the patches, written in 16 bits. From files to files, the
workers' start included. The ratio is the peer's median over ours, so above 1 ours is faster.
Run: ``python benchmarks/encoder_pass.py``; ``--help`` lists what can be made smaller.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torchvision_shim  # noqa: F401  transformers imports torchvision where it is installed
from backbone import ours_with_weights_of, peer
from common import CLOCKS, spread, table, timed_in_turn, write_results
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers.utils import logging

from meddino_components.data.image_sets import Sample, Selection
from meddino_components.embeddings import FrozenEncoder, embed, frozen_backbone
from meddino_components.embeddings.encoders import IMAGENET_MEAN, IMAGENET_STD

OURS, PEER = "ours", "transformers"
SOURCES = ("png", "npz")
PRECISIONS = ("fp32", "bf16")
N_PREFIX = 5  # CLS and four registers


def make(folder: Path, n: int, side: int) -> None:
    """Blurred noise in colours: PNG has something to compress."""
    rng = np.random.default_rng(0)
    pictures = np.empty((n, side, side, 3), np.uint8)
    for k in range(n):
        small = Image.fromarray(rng.integers(0, 255, (side // 4, side // 4, 3), np.uint8))
        pictures[k] = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC))
        Image.fromarray(pictures[k]).save(folder / f"{k:05d}.png")
    np.savez_compressed(folder / "set.npz", test_images=pictures)


def selection(folder: Path, source: str, n: int) -> Selection:
    """The pictures as an image set."""
    samples = tuple(
        Sample(
            sample_id=f"{k:05d}",
            image=str(folder / (f"{k:05d}.png" if source == "png" else "set.npz")),
            index=None if source == "png" else k,
            patient=str(k),
            split="test",
            labels=(0,),
        )
        for k in range(n)
    )
    return Selection(
        name=source, samples=samples, label_names=("a", "b"), multi_label=False, dimensions=2, modality="picture"
    )


class PlainPictures(Dataset[Tensor]):
    """What one writes in an afternoon: open, scale, normalise."""

    def __init__(self, folder: Path, source: str, n: int) -> None:
        self.paths = [folder / f"{k:05d}.png" for k in range(n)]
        self.array: NDArray[np.uint8] | None = None
        if source == "npz":
            with np.load(folder / "set.npz") as stored:
                self.array = stored["test_images"]
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        if self.array is None:
            with Image.open(self.paths[index]) as opened:
                pixels = np.array(opened.convert("RGB"))
        else:
            pixels = self.array[index]
        return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - self.mean) / self.std


@torch.inference_mode()
def plain_loop(model: nn.Module, folder: Path, source: str, out: Path, args: argparse.Namespace, bf16: bool) -> None:
    """The peer: from files to two arrays in a file."""
    pictures = PlainPictures(folder, source, args.images)
    vectors, means = [], []
    for images in DataLoader(pictures, batch_size=args.batch, num_workers=args.workers):
        with torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext():
            tokens = model(pixel_values=images).last_hidden_state
        vectors.append(tokens[:, 0].half().numpy())
        means.append(tokens[:, N_PREFIX:].float().mean(1).half().numpy())
    np.savez(out, cls=np.concatenate(vectors), mean_patch=np.concatenate(means))


def largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Of vectors, in units of the peer's standard deviation."""
    return float(np.abs(ours.astype(np.float32) - theirs).max() / theirs.astype(np.float32).std())


def cell(
    encoder: FrozenEncoder, model: nn.Module, folder: Path, source: str, precision: str, args: argparse.Namespace
) -> tuple[dict[str, Callable[[], Any]], Callable[[], float]]:
    """What is timed, and how far apart the last results are."""
    samples, numbers, found = selection(folder, source, args.images), count(), {}
    out = folder / f"peer_{source}_{precision}.npz"

    def ours() -> None:
        # a new folder each time: nothing is there already
        cache = folder / f"cache_{source}_{precision}_{next(numbers)}"
        found["ours"] = embed(
            samples,
            encoder,
            size_px=args.pixels,
            cache_dir=cache,
            batch_size=args.batch,
            num_workers=args.workers,
            progress=False,
        )

    def difference() -> float:
        with np.load(out) as stored:
            theirs = stored["cls"]
        return largest_difference(np.concatenate([found["ours"].items(k) for k in range(args.images)]), theirs)

    calls = {OURS: ours, PEER: lambda: plain_loop(model, folder, source, out, args, precision == "bf16")}
    return calls, difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_small")
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sources", nargs="+", default=SOURCES, choices=SOURCES)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: without the time of workers")
    parser.add_argument("--no-file", action="store_true", help="print only")
    args = parser.parse_args()
    logging.set_verbosity_error()
    torch.set_num_threads(args.threads)
    model = peer(args.model)
    backbone = ours_with_weights_of(model, args.model, "fp32")
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    differences: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, args.images, args.pixels)
        for precision in args.precisions:
            encoder = frozen_backbone("ours", backbone, intensity="picture", amp=precision == "bf16")
            for source in args.sources:
                calls, difference = cell(encoder, model, folder, source, precision, args)
                times = timed_in_turn(calls, rounds=args.rounds, clock=CLOCKS[args.clock])
                seconds = {party: median(values) for party, values in times.items()}
                row: dict[str, Any] = {"source": source, "precision": precision}
                row |= {f"{party}, images/s": f"{args.images / seconds[party]:.1f}" for party in calls}
                rows.append(row | {"ratio": f"{seconds[PEER] / seconds[OURS]:.2f}"})
                differences.append(f"{source} {precision} {difference():.1e}")
                details[f"{source} {precision}"] = {party: spread(values) for party, values in times.items()}
    notes = [f"Largest difference of a CLS token, in standard deviations of all: {', '.join(differences)}."]
    if args.no_file:
        print(table(rows), *notes, sep="\n")
        return
    names = ("model", "pixels", "images", "batch", "workers", "threads", "rounds", "clock")
    write_results(
        "encoder_pass_cpu",
        rows,
        question="How many embeddings per second, from picture files to embeddings on disk, compared with "
        "transformers?",
        settings={name: getattr(args, name) for name in names},
        packages=["torch", "transformers", "numpy", "pillow"],
        notes=notes,
        details=details,
    )


if __name__ == "__main__":
    main()
