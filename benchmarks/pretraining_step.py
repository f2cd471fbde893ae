"""A step of self-distillation: how fast, how much memory, and where the time goes.

Without a GPU: `StudentTeacher` and `SelfDistillationObjective` against the same step from transformers' backbone and
lightly's losses (`lightly_peer.py`). Both start from the same weights, are checked to give the same logits and losses,
and see the same crops and masks. lightly centres the teacher's logits by a running mean, ours by Sinkhorn-Knopp, which
is more work. The ratio is the peer's median over ours, so above 1 ours is faster.

``--cuda``: images a second and model FLOPs utilisation of our step, by the FLOPs of `flops.step_flops`, after a small
step in fp32 gave the same loss terms as on the CPU; and the kernels that take the time.

Run: ``python benchmarks/pretraining_step.py``, with ``--cuda`` on a GPU; ``--help`` lists sizes.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from common import CLOCKS, spread, timed_in_turn, write_results
from flops import Crops, sizes_of, step_flops
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from meddino_components.data.crops.collate import collate_masks
from meddino_components.losses import DINOLoss, IBOTPatchLoss, KoLeoLoss
from meddino_components.networks import DINOHead, vit_backbone
from meddino_components.training import (
    GradientClipping,
    SelfDistillationObjective,
    StudentTeacher,
    self_distillation_groups,
)

# fp32 weights in both; under autocast matrix products in bf16
PRECISIONS = ("fp32", "bf16 autocast")
PARTS = ("student.backbone", "student.dino_head", "student.ibot_head")
RECIPE = {
    "lr": 2e-4,
    "weight_decay": 0.04,
    "max_norm": 3.0,
    "ema_momentum": 0.994,
    "teacher_temp": 0.07,
    "koleo_weight": 0.1,
}
# dense bf16 TFLOP/s by a part of the device's name, the more particular first
PEAK_TFLOPS = {"H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "H200": 989.0, "A100": 312.0}
OURS, PEER = "ours", "transformers + lightly"
Mark = Callable[[str], None]


class OurStep:
    """One training step in the order of `SelfDistillationTrainer`."""

    def __init__(self, network: StudentTeacher, *, autocast: bool) -> None:
        self.network, self.autocast = network, autocast
        self.objective = SelfDistillationObjective(koleo_weight=RECIPE["koleo_weight"])
        groups = self_distillation_groups(network, lr_decay_rate=0.9, patch_embed_lr_mult=0.2)
        self.optimizer = torch.optim.AdamW(groups, lr=RECIPE["lr"], weight_decay=RECIPE["weight_decay"], fused=True)
        self.clipping = GradientClipping(network=network, max_norm=RECIPE["max_norm"], parts=PARTS)
        self.engine = SimpleNamespace(state=SimpleNamespace(metrics={}, iteration=0))

    def __call__(self, batch: Mapping[str, Any], mark: Mark = lambda name: None) -> dict[str, Tensor]:
        """Loss terms; ``mark`` is called at the end of each part."""
        self.optimizer.zero_grad(set_to_none=True)
        # the student's patch embedding is the first to run after the teacher
        hook = self.network.student.backbone.patch_embed.register_forward_pre_hook(lambda *_: mark("teacher forward"))
        with torch.autocast(batch["masks"].device.type, torch.bfloat16, enabled=self.autocast):
            outputs = self.network(batch)
        hook.remove()
        mark("student forward")
        terms = self.objective(outputs, batch, teacher_temp=RECIPE["teacher_temp"])
        mark("losses")
        terms["loss"].backward()
        mark("backward")
        self.clipping(self.engine)
        mark("clipping")
        self.optimizer.step()
        self.network.update_teacher(RECIPE["ema_momentum"])
        mark("optimiser and EMA")
        return {name: term.detach() for name, term in terms.items()}


class Stopwatch:
    """Milliseconds between marks; on CUDA by events, which nothing waits for before they are read."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.marks: dict[str, Any] = {"start": self._now()}

    def __call__(self, name: str) -> None:
        # the student embeds patches twice: of global crops, then of local ones
        self.marks.setdefault(name, self._now())

    def _now(self) -> Any:
        if self.device.type != "cuda":
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def milliseconds(self) -> dict[str, float]:
        """Of each part, by the name of its end; waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return {name: self._between(old, new) for (_, old), (name, new) in pairwise(self.marks.items())}

    def _between(self, old: Any, new: Any) -> float:
        return float(old.elapsed_time(new)) if self.device.type == "cuda" else 1e3 * (new - old)


def our_network(model: str, n_prototypes: int, rope: str) -> StudentTeacher:
    """Student and teacher of a preset with the heads of the recipe; LayerScale at one as in the peer's."""
    torch.manual_seed(0)
    backbone = vit_backbone(model, layerscale_init=1.0, pos_embed_rope_dtype=rope)
    heads = [DINOHead(in_dim=backbone.embed_dim, out_dim=n_prototypes) for _ in range(2)]
    return StudentTeacher(backbone=backbone, dino_head=heads[0], ibot_head=heads[1])


def random_batch(crops: Crops, n_images: int) -> dict[str, Any]:
    """Random crops of one channel, as the loader gives them, with masks of the recipe."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"global_crops": (crops.n_global, crops.global_px), "local_crops": (crops.n_local, crops.local_px)}
    pixels = {k: torch.randn(n * n_images, 1, px, px, generator=generator) for k, (n, px) in sizes.items()}
    masks = collate_masks(
        n_crops=crops.n_global,
        n_samples=n_images,
        generator=np.random.default_rng(0),
        grid=(crops.global_px // 16, crops.global_px // 16),
        mask_probability=0.5,
        mask_ratio=(0.1, 0.5),
    )
    return {**pixels, **masks}


def on(device: torch.device, batch: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}


def gflop_of(step: OurStep, crops: Crops, batch: Mapping[str, Any]) -> float:
    """GFLOP of the whole step with the patches that are masked in this batch."""
    n_images = len(batch["masks"]) // crops.n_global
    crops = replace(crops, mask_share=batch["n_masked_patches"] / batch["masks"].numel())
    return n_images * sum(step_flops(sizes_of(step.network.student), crops).values()) / 1e9


def breakdown(step: OurStep, batch: Mapping[str, Any], rounds: int) -> dict[str, float]:
    """Median milliseconds of each part of our step."""
    watches = []
    for _ in range(rounds):
        watch = Stopwatch(batch["masks"].device)
        step(batch, watch)
        watches.append(watch)
    parts = [watch.milliseconds() for watch in watches]
    return {name: round(median(part[name] for part in parts), 2) for name in parts[0]}


def shares(parts: Mapping[str, float]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in parts.items())


def peer_step(model: str, args: argparse.Namespace, precision: str) -> Any:
    from lightly_peer import LightlyStep  # not needed on a machine that measures ours alone

    torch.manual_seed(0)
    return LightlyStep(
        model, args.prototypes, device=torch.device("cpu"), autocast=precision != "fp32", settings=RECIPE
    )


@torch.no_grad()
def check_same_work(ours: OurStep, theirs: Any, batch: Mapping[str, Any]) -> None:
    """Both give the same logits, and their losses agree where ours are given lightly's softmax for assignment."""
    ours.network.eval()
    theirs.student.eval()
    outputs, logits = ours.network(batch), theirs.logits(batch)
    student_cls = torch.cat((outputs.student_global_logits, outputs.student_local_logits))
    found = {
        "teacher_cls": outputs.teacher_cls_logits.flatten(0, 1),
        "teacher_patch": outputs.teacher_patch_logits,
        "student_cls": student_cls.flatten(0, 1),
        "student_patch": outputs.student_patch_logits,
    }
    for name, values in found.items():
        torch.testing.assert_close(values, logits[name], rtol=1e-3, atol=1e-3)
    temperature = RECIPE["teacher_temp"]
    probabilities = (outputs.teacher_cls_logits / temperature).softmax(-1)
    n_images = len(batch["masks"])
    of_patches = (outputs.teacher_patch_logits / temperature).softmax(-1)
    losses = (
        DINOLoss()(student_cls, probabilities, ignore_diagonal=True),
        RECIPE["koleo_weight"] * sum(KoLeoLoss()(tokens) for tokens in outputs.student_cls),
        IBOTPatchLoss()(outputs.student_patch_logits, of_patches, batch["masks_weight"], n_images),
    )
    torch.testing.assert_close(losses, theirs.losses(logits, batch), rtol=1e-3, atol=1e-3)
    ours.network.train()
    theirs.student.train()


def peak_memory(side: str, model: str, precision: str, args: argparse.Namespace) -> dict[str, float]:
    """Resident GiB of a process that does two steps of one side: after imports, and at its peak."""
    command = [sys.executable, __file__, "--side", side, "--models", model, "--precisions", precision]
    for name in ("batch", "prototypes", "global_px", "local_px", "n_local", "rope"):
        command += [f"--{name.replace('_', '-')}", str(getattr(args, name))]
    command += ["--threads", str(torch.get_num_threads())]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])  # type: ignore[no-any-return]


def run_side(args: argparse.Namespace, crops: Crops) -> dict[str, float]:
    """What `peak_memory` starts; both sides import the same."""
    import lightly_peer  # noqa: F401

    imported = peak_resident()
    (model,), (precision,) = args.models, args.precisions
    step = (
        OurStep(our_network(model, args.prototypes, args.rope), autocast=precision != "fp32")
        if args.side == OURS
        else peer_step(model, args, precision)
    )
    batch = random_batch(crops, args.batch)
    for _ in range(2):  # the second holds the optimiser's moments throughout
        step(batch)
    return {"after imports": imported, "peak": peak_resident()}


def peak_resident() -> float:
    """GiB of this process; getrusage would begin at what the process that started it held."""
    status = Path("/proc/self/status").read_text()
    return round(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**20, 3)


def matrix_gflops(dtype: torch.dtype) -> float:
    """GFLOP/s of one large matrix product, the most that can be reached here."""
    n = 2048
    left, right = (torch.randn(n, n).to(dtype) for _ in range(2))
    seconds = timed_in_turn({"product": lambda: left @ right}, rounds=5)["product"]
    return 2 * n**3 / min(seconds) / 1e9


def time_cell(
    model: str, precision: str, args: argparse.Namespace, crops: Crops
) -> tuple[dict[str, list[float]], dict[str, float], float]:
    """Seconds of both, milliseconds of our parts, GFLOP of a step; the networks are gone afterwards."""
    theirs = peer_step(model, args, precision)
    network = our_network(model, args.prototypes, args.rope)
    theirs.copied_to(network, model)
    ours, batch = OurStep(network, autocast=precision != "fp32"), random_batch(crops, args.batch)
    check_same_work(ours, theirs, batch)
    calls = {OURS: partial(ours, batch), PEER: partial(theirs, batch)}
    times = timed_in_turn(calls, rounds=args.rounds, seconds=args.seconds, clock=CLOCKS[args.clock])
    return times, breakdown(ours, batch, args.rounds), gflop_of(ours, crops, batch)


def measure_cell(
    model: str, precision: str, args: argparse.Namespace, crops: Crops
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of the table, and its details."""
    times, parts, gflop = time_cell(model, precision, args, crops)
    seconds = {name: median(values) for name, values in times.items()}
    possible = matrix_gflops(torch.float32 if precision == "fp32" else torch.bfloat16)
    memory = {side: peak_memory(side, model, precision, args) for side in (OURS, PEER)}
    row = {
        "model": model,
        "precision": precision,
        **{f"{name}, images/s": f"{args.batch / seconds[name]:.3f}" for name in (OURS, PEER)},
        "ratio": f"{seconds[PEER] / seconds[OURS]:.2f}",
        "ratio of fastest": f"{min(times[PEER]) / min(times[OURS]):.2f}",
        **{f"{name}, GiB": f"{memory[name]['peak']:.2f}" for name in (OURS, PEER)},
        "ours, GFLOP/s": f"{gflop / seconds[OURS]:.0f}",
        "of a matrix product": f"{100 * gflop / seconds[OURS] / possible:.0f} %",
    }
    details = {
        "seconds": {name: spread(values) for name, values in times.items()},
        "our parts, ms": parts,
        "GFLOP a step": round(gflop, 1),
        "matrix product, GFLOP/s": round(possible, 1),
        "resident GiB": memory,
    }
    return row, details


def compare_on_cpu(args: argparse.Namespace, crops: Crops) -> None:
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    for model, precision in product(args.models, args.precisions):
        row, of_cell = measure_cell(model, precision, args, crops)
        print(row, flush=True)
        rows.append(row)
        details[f"{model} {precision}"] = of_cell
    write_results(
        args.name or "pretraining_step_cpu",
        rows,
        question="Is a step of self-distillation as fast and as small as transformers' backbone with lightly's losses?",
        settings={
            **settings_of(args, crops),
            "rounds": args.rounds,
            "clock": args.clock,
            "rotation of queries and keys": args.rope,
        },
        packages=["torch", "transformers", "lightly"],
        notes=[
            "A step: forward of teacher and student, DINO, iBOT and KoLeo losses, backward, clipping of each part, "
            "fused AdamW, update of the teacher. Same weights, crops and masks; logits, and losses given the same "
            "assignment, were checked to agree.",
            "ratio: the peer's median time over ours, measured in turn; above 1 ours is faster.",
            "lightly centres the teacher by a running mean and softmax, ours balances by three iterations of "
            "Sinkhorn-Knopp: more work on our side. lightly's prototypes are normalised (its default), ours are not.",
            "GiB: peak resident size of a process that does two steps; " + "both import the same, which is contained.",
            "GFLOP/s by benchmarks/flops.py, against one fp32 or bf16 product of 2048 x 2048 matrices.",
            *(f"Our step, {cell}: {shares(found['our parts, ms'])}." for cell, found in details.items()),
        ],
        details=details,
    )


def settings_of(args: argparse.Namespace, crops: Crops) -> dict[str, Any]:
    return {
        "batch": args.batch,
        "crops": f"{crops.n_global} x {crops.global_px} + {crops.n_local} x {crops.local_px}",
        "prototypes": f"2 x {args.prototypes}",
        "heads": "2048, 2048, 256",
    }


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", help="default: vit_small and vit_base; vit_base with --cuda")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS, help="on the CPU")
    parser.add_argument("--batch", type=int, help="images; default: 2, with --cuda 64")
    parser.add_argument("--prototypes", type=int, default=65536, help="of each head")
    parser.add_argument("--global-px", type=int, default=256)
    parser.add_argument("--local-px", type=int, default=112)
    parser.add_argument("--n-local", type=int, default=8)
    parser.add_argument(
        "--rope", default="fp32", choices=("fp32", "bf16"), help="rotation on the CPU; the peer's: fp32"
    )
    parser.add_argument("--rounds", type=int, help="steps that count; default: 5, with --cuda 30")
    parser.add_argument("--seconds", type=float, default=0.0, help="go on with a cell for so long")
    parser.add_argument("--clock", default="wall", choices=CLOCKS, help="cpu: processor time, for a busy machine")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--compile", action="store_true", help="with --cuda: torch.compile of each block")
    parser.add_argument("--warm-up", type=int, default=10, help="with --cuda: steps that do not count")
    parser.add_argument("--peak-tflops", type=float, help="with --cuda: dense bf16, where the GPU is not in the table")
    parser.add_argument("--name", help="of the result files, for a trial")
    parser.add_argument("--side", choices=(OURS, PEER), help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.models = args.models or (["vit_base"] if args.cuda else ["vit_small", "vit_base"])
    args.batch = args.batch or (64 if args.cuda else 2)
    args.rounds = args.rounds or (30 if args.cuda else 5)
    if args.threads:
        torch.set_num_threads(args.threads)
    crops = Crops(global_px=args.global_px, n_local=args.n_local, local_px=args.local_px)
    if args.side:
        print(json.dumps(run_side(args, crops)))
    elif args.cuda:
        measure_on_cuda(args, crops)
    else:
        compare_on_cpu(args, crops)


if __name__ == "__main__":
    main()
