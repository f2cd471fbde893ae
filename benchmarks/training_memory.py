"""Memory of a step of fine-tuning, by backbone, window and batch, and by the settings that save it.

No GPU is needed: the step runs on tensors without content (torch's `FakeTensorMode`), and what is alive at each moment
is added up (`MemTracker`): weights, their bf16 copies, gradients, activations, the loss, AdamW's state. Nothing is
extrapolated. Norms take fp32 as under CUDA's autocast. What is counted is checked by what torch's allocator hands out
in a real step: on the CPU for one small row, on a GPU, where there is one, for each.
Run: ``python benchmarks/training_memory.py``.
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import torch
import torch.nn.functional as F
from common import write_results
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from meddino_components.losses import pixel_sums
from meddino_components.networks import MedDinoSegmenter, vit_backbone
from meddino_components.placement.accumulation import InPieces

BACKBONES = {"ViT-S": "vit_small", "ViT-B": "vit_base", "ViT-L": "vit_large"}
N_CLASSES = 16
GB = 1e9
_LAYER_NORM = F.layer_norm


def _layer_norm_of_cuda(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """CUDA's autocast computes norms in fp32, the CPU's does not."""
    return _LAYER_NORM(input.float(), *args, **kwargs)


def built(backbone: str, *, checkpointing: bool, device: str, n_pieces: int = 1) -> nn.Module:
    """The network of `train.json`, on its device."""
    with torch.device(device):
        made = vit_backbone(BACKBONES[backbone], activation_checkpointing=checkpointing)
        blocks = [made.depth * k // 4 - 1 for k in (1, 2, 3, 4)]
        network = MedDinoSegmenter(backbone=made, num_classes=N_CLASSES, interaction_indices=blocks)
    return InPieces(network, n_pieces=n_pieces).train() if n_pieces > 1 else network.train()


def step(network: nn.Module, window_px: int, batch: int, device: str) -> None:
    """Forward, loss, backward and the optimiser's first step, under bf16 autocast."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=device == "cuda")
    images = torch.zeros(batch, 1, window_px, window_px, device=device)
    labels = torch.zeros(batch * window_px**2, dtype=torch.long, device=device)
    with torch.autocast(device, dtype=torch.bfloat16):
        logits = network(images).float()
    # what the loss computes on all pixels; its checks of labels need content
    pixel_sums.softmax_sums(logits.movedim(1, -1).reshape(-1, N_CLASSES), labels).sum().backward()
    del logits
    optimizer.step()


def counted_gb(backbone: str, window_px: int, batch: int, **settings: Any) -> float:
    """Peak of what is alive, without computing anything."""
    tracker = MemTracker()
    with FakeTensorMode():
        network = built(backbone, **settings, device="cpu")
        tracker.track_external(network)
        with tracker:
            step(network, window_px, batch, "cpu")
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return float(peak["Total"]) / GB


def measured_gb(backbone: str, window_px: int, batch: int, **settings: Any) -> float:
    """Peak of what torch allocates on a GPU."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    step(built(backbone, **settings, device="cuda"), window_px, batch, "cuda")
    return torch.cuda.max_memory_allocated() / GB


def allocated_on_cpu_gb(backbone: str, window_px: int, batch: int, **settings: Any) -> float:
    """Peak of what torch's allocator hands out on the CPU, from its profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step(built(backbone, **settings, device="cpu"), window_px, batch, "cpu")
    events = profile.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    return max(itertools.accumulate(nbytes for _, nbytes in changes)) / GB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbones", nargs="+", default=list(BACKBONES), choices=BACKBONES)
    parser.add_argument("--windows", nargs="+", type=int, default=[512, 896])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 8])
    args = parser.parse_args()
    F.layer_norm = _layer_norm_of_cuda
    # draws until a value fits, and there are no values here
    nn.init.trunc_normal_ = lambda tensor, **_: tensor
    # the loss' way on a GPU; the other needs content
    pixel_sums._on_cpu = lambda values: False
    ways = {"counted": counted_gb} | ({"measured": measured_gb} if torch.cuda.is_available() else {})
    rows = []
    for backbone in args.backbones:
        for window in args.windows:
            for batch in args.batches:
                row: dict[str, Any] = {"backbone": backbone, "window": window, "batch": batch}
                for checkpointing in (False, True):
                    column = "activation_checkpointing" if checkpointing else "as shipped"
                    for way, gb in ways.items():
                        value = gb(backbone, window, batch, checkpointing=checkpointing)
                        row[column if way == "counted" else f"{column}, {way}"] = round(value, 1)
                rows.append(row)
                print(row, flush=True)
    checks = []
    for n_pieces in (1, 4):
        cell = {"checkpointing": False, "n_pieces": n_pieces}
        counted, allocated = (gb("ViT-S", 384, 4, **cell) for gb in (counted_gb, allocated_on_cpu_gb))
        checks.append({**cell, "counted": counted, "allocated": allocated})
        print(checks[-1], flush=True)
    pairs = [f"{check['counted']:.4f} and {check['allocated']:.4f}" for check in checks]
    write_results(
        "training_memory",
        rows,
        question="How much GPU memory does a step of fine-tuning take?",
        settings={"classes": N_CLASSES, "precision": "bf16 autocast", "optimiser": "AdamW in fp32", "drop path": 0},
        packages=["torch", "monai"],
        details={"checks": checks},
        notes=[
            "GB of 10^9 bytes; tensors alive at the peak, counted without a GPU. torch's allocator and CUDA's own "
            "memory are additional: leave 1 to 2 GB and another tenth.",
            "Check: real CPU steps of ViT-S on four slices of 384 px, together and one by one, as counted and as "
            f"torch's allocator reports them, in GB: {', '.join(pairs)}.",
            "Without stochastic depth.",
            "With accumulation_steps a step takes as much as a batch of batch_size / accumulation_steps.",
        ],
    )


if __name__ == "__main__":
    main()
