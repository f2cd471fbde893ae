"""The tables of `docs/scaling.md`: what pretraining costs by the formulas of `flops.py`.

Run: ``python benchmarks/scaling_tables.py``; ``--help`` lists model, MFU and peak.
"""

from __future__ import annotations

import argparse

from common import table
from flops import (
    STAGES,
    Crops,
    Sizes,
    activation_gib,
    cores_per_gpu,
    ddp_bytes,
    fsdp_bytes,
    gpu_hours,
    logits_gib,
    preset_sizes,
    stage_flops,
    step_flops,
)

GLOBAL_BATCH = 512
MODELS = ("vit_small", "vit_base", "vit_large", "vit_huge_plus", "vit_7b")
# read and written by AdamW (parameter, two moments, gradient), clipping and the teacher's update, in fp32
UPDATE_BYTES = 28 + 12 + 12
# fp32 parameter, gradient and two moments of the student, fp32 parameter of the teacher
STATE_BYTES = 20
# bytes/s of the slowest link of a ring over all GPUs: NVLink 4 or eight adapters of 400 Gbit/s a node; one; 100 Gbit/s
LINKS = {"400 GB/s": 400e9, "50 GB/s": 50e9, "12.5 GB/s": 12.5e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vit_base")
    parser.add_argument("--mfu", type=float, default=0.35)
    parser.add_argument("--peak-tflops", type=float, default=989.0, help="dense bf16; H100 SXM and H200: 989")
    parser.add_argument("--memory-tbps", type=float, default=3.35, help="of the GPU's memory; H200: 4.8")
    args = parser.parse_args()
    sizes = preset_sizes(args.model)
    rate = args.mfu * args.peak_tflops * 1e12
    for title, rows in {
        "GFLOP per image": flops_table(sizes),
        "GPU hours": hours_table(sizes, args.mfu, args.peak_tflops),
        "ms of a step of stage 1, global batch 512": step_table(sizes, rate, args.memory_tbps),
        "ms of a step of stage 1, 64 images per GPU, on 64 GPUs": communication_table(rate),
        "cores for crops": data_table(sizes, rate),
        "GiB per GPU": memory_table(),
    }.items():
        print(f"{title}\n\n{table(rows)}\n")


def flops_table(sizes: Sizes) -> list[dict[str, str]]:
    rows = []
    for stage in STAGES:
        parts = stage_flops(sizes, stage)
        names = ("teacher forward", "gram teacher forward", "student forward", "student backward", "Gram matrices")
        row = {name: f"{parts.get(name, 0) / 1e9:.0f}" for name in names}
        rows.append({"stage": stage.name, **row, "sum": f"{sum(parts.values()) / 1e9:.0f}"})
    return rows


def hours_table(sizes: Sizes, mfu: float, peak_tflops: float) -> list[dict[str, str]]:
    totals = [
        (stage.name, stage.iterations, stage.iterations * GLOBAL_BATCH * sum(stage_flops(sizes, stage).values()))
        for stage in STAGES
    ]
    totals.append(("all", sum(number for _, number, _ in totals), sum(flops for *_, flops in totals)))
    rows = []
    for name, iterations, flops in totals:
        hours = gpu_hours(flops, mfu=mfu, peak_tflops=peak_tflops)
        wall = {f"hours on {n}": f"{hours / n:.1f}" for n in (1, 8, 64)}
        rows.append({"stage": name, "iterations": f"{iterations:,}", "EFLOP": f"{flops / 1e18:.1f}", **wall})
    return rows


def step_table(sizes: Sizes, rate: float, memory_tbps: float) -> list[dict[str, str]]:
    flops = sum(step_flops(sizes, Crops()).values())
    rows = []
    for n_gpus in (1, 8, 64):
        images = GLOBAL_BATCH // n_gpus
        n_bytes = ddp_bytes(sizes, n_gpus)
        rows.append(
            {
                "GPUs": str(n_gpus),
                "images per GPU": str(images),
                "matrix products": f"{1e3 * images * flops / rate:.0f}",
                "clipping, AdamW, EMA": f"{1e3 * UPDATE_BYTES * sizes.parameters / (memory_tbps * 1e12):.1f}",
                **{f"gradients, {name}": f"{1e3 * n_bytes / speed:.1f}" for name, speed in LINKS.items()},
            }
        )
    return rows


def communication_table(rate: float, images: int = 64, n_gpus: int = 64) -> list[dict[str, str]]:
    rows = []
    for name in MODELS:
        sizes = preset_sizes(name)
        row = {
            "model": name,
            "matrix products": f"{1e3 * images * sum(step_flops(sizes, Crops()).values()) / rate:.0f}",
        }
        for kind, n_bytes in (("DDP", ddp_bytes(sizes, n_gpus)), ("FSDP2", fsdp_bytes(sizes, n_gpus))):
            row[f"{kind}, GB sent"] = f"{n_bytes / 1e9:.1f}"
            row |= {f"{kind}, {link}": f"{1e3 * n_bytes / speed:.0f}" for link, speed in LINKS.items()}
        rows.append(row)
    return rows


def data_table(sizes: Sizes, rate: float) -> list[dict[str, str]]:
    rows = []
    for stage in STAGES:
        speed = rate / sum(stage_flops(sizes, stage).values())
        pixels = sum(share * crops.pixels for share, crops in stage.crops)
        rows.append(
            {
                "stage": stage.name,
                "images/s per GPU": f"{speed:.0f}",
                "megapixels per image": f"{pixels / 1e6:.2f}",
                "cores per GPU": f"{cores_per_gpu(speed, stage):.1f}",
                "with render_on_device": f"{cores_per_gpu(speed, stage, render_on_device=True):.1f}",
            }
        )
    return rows


def memory_table() -> list[dict[str, str]]:
    cells = [(name, STAGES[0], 64) for name in MODELS]
    cells += [("vit_base", STAGES[0], 512), ("vit_base", STAGES[2], 64), ("vit_base", STAGES[2], 8)]
    rows = []
    for name, stage, images in cells:
        sizes, crops = preset_sizes(name), stage.crops[-1][1]
        gram = 4 * sizes.backbone_parameters if crops.gram_px else 0
        state = (STATE_BYTES * sizes.parameters + gram) / 2**30
        parts = {
            "state": state,
            "state, 8 shards": state / 8,
            "activations": activation_gib(sizes, crops, images),
            "recomputed": activation_gib(sizes, crops, images, checkpointing=True),
            "logits": logits_gib(sizes, crops, images),
        }
        rows.append(
            {
                "model": name,
                "stage": stage.name,
                "images per GPU": str(images),
                "parameters": f"{sizes.parameters / 1e6:,.0f} M",
                **{key: f"{value:.1f}" for key, value in parts.items()},
            }
        )
    return rows


if __name__ == "__main__":
    main()
