"""A step of self-distillation on a GPU: images a second, model FLOPs utilisation, and the kernels that take the time.

The FLOPs are those of `flops.step_flops`. Before, a small step in fp32 has to give the same loss terms as on the CPU.

Run: ``python benchmarks/pretraining_step_cuda.py``; ``--help`` lists sizes.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from common import spread, write_results
from flops import Crops
from our_step import OurStep, breakdown, crops_of, gflop_of, on, our_network, settings_of, shares, step_parser
from random_batch import random_batch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from meddino_components.self_distillation import StudentTeacher

# dense bf16 TFLOP/s by a part of the device's name, the more particular first
PEAK_TFLOPS = {"H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "H200": 989.0, "A100": 312.0}


def check_cuda(device: torch.device) -> dict[str, str]:
    """Loss terms and gradient norms of a small step in fp32, CPU against CUDA; a step from the same weights."""
    network = our_network("vit_tiny", 1024, "fp32").eval()  # eval: no random rotation, which differs between devices
    batch = random_batch(Crops(global_px=96, n_local=4, local_px=48), n_images=4)
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    found = []
    for place in (torch.device("cpu"), device):
        step = OurStep(copy.deepcopy(network).to(place), autocast=False)
        terms = step(on(place, batch))
        found.append({name: term.item() for name, term in terms.items()} | step.engine.state.metrics)
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
    cpu, cuda = found
    for name, value in cpu.items():
        torch.testing.assert_close(cuda[name], value, rtol=1e-3, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")
    return {name: f"{value:.6f} / {cuda[name]:.6f}" for name, value in cpu.items()}


def peak_tflops(device: torch.device, given: float | None) -> float:
    name = torch.cuda.get_device_name(device)
    found = given or next((peak for part, peak in PEAK_TFLOPS.items() if part in name), None)
    if found is None:
        raise SystemExit(f"the peak of {name!r} is not known: give --peak-tflops, dense bf16")
    return found


def compiled(network: StudentTeacher) -> StudentTeacher:
    """Compile block by block: blocks share their code, so little is compiled."""
    for part in (network.student, network.teacher):
        for block in part.backbone.blocks:
            block.compile(dynamic=False)
    return network


def step_milliseconds(step: Callable[[], Any], device: torch.device, n_steps: int) -> list[float]:
    """Of each of several steps in a row, none of which is waited for."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(n_steps + 1)]
    torch.cuda.synchronize(device)
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize(device)
    return [old.elapsed_time(new) for old, new in pairwise(events)]


def kernels(step: Callable[[], Any], device: torch.device, n_steps: int = 2, n_rows: int = 25) -> list[dict[str, Any]]:
    """What takes the device's time, longest first."""
    on_cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
    with profile(activities=activities) as record:
        for _ in range(n_steps):
            step()
        if on_cuda:
            torch.cuda.synchronize(device)
    kind = DeviceType.CUDA if on_cuda else DeviceType.CPU
    events = [event for event in record.key_averages() if event.device_type == kind and not event.is_user_annotation]
    times = {id(event): event.self_device_time_total if on_cuda else event.self_cpu_time_total for event in events}
    total = sum(times.values())
    return [
        {
            "kernel": event.key[:90].replace("|", "/"),
            "calls a step": event.count // n_steps,
            "ms a step": round(times[id(event)] / n_steps / 1e3, 3),
            "share": f"{100 * times[id(event)] / total:.1f} %",
        }
        for event in sorted(events, key=lambda event: -times[id(event)])[:n_rows]
    ]


def measure_on_cuda(args: argparse.Namespace, crops: Crops) -> None:
    device = torch.device("cuda")
    agreement = check_cuda(device)
    print("CPU / CUDA", agreement, flush=True)
    peak = peak_tflops(device, args.peak_tflops)
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {"loss terms and gradient norms, CPU / CUDA": agreement}
    notes = []
    for model in args.models:
        network = our_network(model, args.prototypes, "bf16").to(device)
        step = OurStep(compiled(network) if args.compile else network, autocast=True)
        batch = on(device, random_batch(crops, args.batch))
        run = partial(step, batch)
        for _ in range(args.warm_up):
            run()
        torch.cuda.reset_peak_memory_stats(device)
        times = step_milliseconds(run, device, args.rounds)
        memory = torch.cuda.max_memory_allocated(device) / 2**30
        seconds = median(times) / 1e3
        tflop = gflop_of(step, crops, batch) / 1e3
        parts, found = breakdown(step, batch, args.rounds), kernels(run, device)
        row = {
            "model": model,
            "batch": args.batch,
            "compiled": args.compile,
            "images/s": f"{args.batch / seconds:.0f}",
            "ms a step": f"{1e3 * seconds:.1f}",
            "TFLOP a step": f"{tflop:.2f}",
            "TFLOP/s": f"{tflop / seconds:.0f}",
            "MFU": f"{100 * tflop / seconds / peak:.1f} %",
            "peak GiB": f"{memory:.1f}",
        }
        print(row, flush=True)
        rows.append(row)
        details[model] = {"ms": spread([t / 1e3 for t in times]), "parts, ms": parts, "kernels": found}
        notes.append(f"{model}: {shares(parts)}.")
        longest = "; ".join(f"{entry['kernel']} {entry['share']}" for entry in found[:8])
        notes.append(f"{model}, kernels: {longest}. More in the JSON file.")
    write_results(
        args.name or ("pretraining_step_cuda_compiled" if args.compile else "pretraining_step_cuda"),
        rows,
        question="How many images a second does a step of self-distillation make in bf16, at what share of the peak?",
        settings={
            "gpu": torch.cuda.get_device_name(device),
            "peak TFLOP/s": peak,
            **settings_of(args, crops),
            "steps": args.rounds,
            "warm-up": args.warm_up,
        },
        packages=["torch"],
        notes=[
            "MFU: FLOPs of matrix products of the teacher's forward and the student's forward and backward "
            "(benchmarks/flops.py) over time and the dense bf16 peak. Median step, by CUDA events; crops lie on the "
            "GPU.",
            "Before, loss terms and gradient norms of a small step in fp32 agreed with the CPU's within 0.1 %.",
            *notes,
        ],
        details=details,
    )


def main() -> None:
    parser = step_parser(__doc__, models=["vit_base"], batch=64, rounds=30)
    parser.add_argument("--compile", action="store_true", help="torch.compile of each block")
    parser.add_argument("--warm-up", type=int, default=10, help="steps that do not count")
    parser.add_argument("--peak-tflops", type=float, help="dense bf16, where the GPU is not in the table")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    measure_on_cuda(args, crops_of(args))


if __name__ == "__main__":
    main()
