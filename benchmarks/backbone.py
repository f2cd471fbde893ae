"""Images a second of `DinoVisionTransformer` against transformers' `DINOv3ViTModel` with the same weights.

Every cell times both in turn; the ratio is the peer's median over ours, so above 1 ours is faster.
Run: ``python benchmarks/backbone.py``; ``--help`` lists what can be left out.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from itertools import product
from statistics import median

import torch
import torchvision_shim  # noqa: F401  transformers imports torchvision where it is installed
from common import CLOCKS, spread, timed_in_turn, write_results
from torch import Tensor, nn
from transformers import DINOv3ViTConfig, DINOv3ViTModel
from transformers.utils import logging

from meddino_components.checkpoints import load_backbone_weights
from meddino_components.networks import PRESETS, DinoVisionTransformer, vit_backbone

# fp32; weights and images in bf16; fp32 weights under autocast, as in training
PRECISIONS = ("fp32", "bf16", "autocast")


def peer(name: str) -> DINOv3ViTModel:
    """Transformers' model of a preset with random weights, LayerScale at one so that every branch counts."""
    preset = PRESETS[name]
    config = DINOv3ViTConfig(
        hidden_size=preset["embed_dim"],
        num_hidden_layers=preset["depth"],
        num_attention_heads=preset["num_heads"],
        intermediate_size=4 * preset["embed_dim"],
        num_register_tokens=4,
        layerscale_value=1.0,
    )
    torch.manual_seed(0)
    return DINOv3ViTModel(config).eval()


def ours_with_weights_of(model: DINOv3ViTModel, name: str, rope_dtype: str) -> DinoVisionTransformer:
    """Our network with the peer's weights, checked to give the peer's tokens."""
    network, timed = vit_backbone(name).eval(), vit_backbone(name, pos_embed_rope_dtype=rope_dtype).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for loaded in (network, timed):
            load_backbone_weights(loaded, folder)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(our_tokens(network, images), peer_tokens(model, images), rtol=1e-3, atol=1e-4)
    return timed


def our_tokens(network: nn.Module, images: Tensor) -> Tensor:
    """Patch tokens after the final norm."""
    return network.forward_features(images)["x_norm_patchtokens"]


def peer_tokens(model: nn.Module, images: Tensor) -> Tensor:
    """Patch tokens after the final norm: CLS and four registers come first."""
    return model(images).last_hidden_state[:, 5:]


def step(
    tokens: Callable[[nn.Module, Tensor], Tensor], network: nn.Module, images: Tensor, *, autocast: bool, backward: bool
) -> Callable[[], None]:
    """One forward pass, or forward and backward."""

    def run() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else nullcontext():
            if not backward:
                with torch.no_grad():
                    tokens(network, images)
                return
            loss = tokens(network, images).float().square().mean()
        loss.backward()
        network.zero_grad(set_to_none=True)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["vit_small", "vit_base"])
    parser.add_argument("--pixels", nargs="+", type=int, default=[224, 256])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--passes", nargs="+", default=["forward", "both"], choices=["forward", "both"])
    parser.add_argument("--rounds", type=int, default=7, help="pairs a cell, at least")
    parser.add_argument("--seconds", type=float, default=6.0, help="time a cell, at least")
    parser.add_argument("--clock", default="wall", choices=CLOCKS, help="cpu: processor time, for a busy machine")
    parser.add_argument("--threads", type=int, help="of torch; one, with --clock cpu, is least disturbed")
    parser.add_argument("--no-file", action="store_true", help="print only")
    args = parser.parse_args()
    logging.set_verbosity_error()
    if args.threads:
        torch.set_num_threads(args.threads)
    rows: list[dict[str, object]] = []
    details: dict[str, object] = {}
    for name, precision in product(args.models, args.precisions):
        model = peer(name)
        # transformers turns queries and keys in the precision of the weights
        network = ours_with_weights_of(model, name, "bf16" if precision == "bf16" else "fp32")
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        model, network = model.to(dtype), network.to(dtype)
        for pixels, batch, passes in product(args.pixels, args.batches, args.passes):
            images = torch.randn(batch, 3, pixels, pixels).to(dtype)
            how = {"autocast": precision == "autocast", "backward": passes == "both"}
            calls = {
                "ours": step(our_tokens, network, images, **how),
                "peer": step(peer_tokens, model, images, **how),
            }
            times = timed_in_turn(calls, rounds=args.rounds, seconds=args.seconds, clock=CLOCKS[args.clock])
            ours, theirs = median(times["ours"]), median(times["peer"])
            row = {
                "model": name,
                "precision": precision,
                "pixels": pixels,
                "batch": batch,
                "pass": passes,
                "ours images/s": f"{batch / ours:.2f}",
                "transformers images/s": f"{batch / theirs:.2f}",
                "ratio": f"{theirs / ours:.2f}",
                "ratio of fastest": f"{min(times['peer']) / min(times['ours']):.2f}",
            }
            print(row, flush=True)
            rows.append(row)
            cell = f"{name} {precision} {pixels} px batch {batch} {passes}"
            details[cell] = {key: spread(values) for key, values in times.items()}
        if not args.no_file:
            write(rows, details, {"rounds at least": args.rounds, "clock": args.clock})


def write(rows: list[dict[str, object]], details: dict[str, object], settings: dict[str, object]) -> None:
    """The cells so far, so that an interrupted run is not lost."""
    write_results(
        "backbone_cpu",
        rows,
        question="Is the backbone as fast as transformers' DINOv3ViTModel with the same weights?",
        settings={**settings, "attention": "scaled_dot_product_attention in both"},
        packages=["torch", "transformers"],
        notes=[
            "ratio: transformers' median time over ours, measured in turn; above 1 ours is faster. If this "
            "ratio and that of the fastest runs are on different sides of 1, the machine was too busy for a verdict.",
            "both: forward and backward. Networks in eval mode: no augmentation of positions, no stochastic depth.",
            "bf16: weights, images and the rotation of queries and keys in bf16, in both.",
        ],
        details=details,
    )


if __name__ == "__main__":
    main()
