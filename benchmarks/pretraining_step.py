"""A step of self-distillation on the CPU against a peer: how fast, how much memory, and where the time goes.

`StudentTeacher` and `SelfDistillationObjective` against the same step from transformers' backbone and lightly's losses
(`lightly_peer.py`). Both start from the same weights, are checked to give the same logits and losses, and see the same
crops and masks. lightly centres the teacher's logits by a running mean, ours by Sinkhorn-Knopp, which is more work. The
ratio is the peer's median over ours, so above 1 ours is faster. `pretraining_step_cuda.py` measures a GPU.

Run: ``python benchmarks/pretraining_step.py``; ``--help`` lists sizes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import CLOCKS, spread, timed_in_turn, write_results
from flops import Crops
from lightly_peer import LightlyStep
from our_step import RECIPE, OurStep, breakdown, crops_of, gflop_of, our_network, settings_of, shares, step_parser
from random_batch import random_batch

from meddino_components.losses import DINOLoss, IBOTPatchLoss, KoLeoLoss

# fp32 weights in both; under autocast matrix products in bf16
PRECISIONS = ("fp32", "bf16 autocast")
OURS, PEER = "ours", "transformers + lightly"


def peer_step(model: str, args: argparse.Namespace, precision: str) -> LightlyStep:
    torch.manual_seed(0)
    return LightlyStep(
        model, args.prototypes, device=torch.device("cpu"), autocast=precision != "fp32", settings=RECIPE
    )


@torch.no_grad()
def check_same_work(ours: OurStep, theirs: LightlyStep, batch: Mapping[str, Any]) -> None:
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
            "Sinkhorn-Knopp: this is more work on our side. lightly's prototypes are normalised (its default), ours "
            "are not.",
            "GiB: peak resident size of a process that does two steps; "
            + "both import the same libraries, which are included.",
            "GFLOP/s by benchmarks/flops.py, compared with one fp32 or bf16 product of 2048 x 2048 matrices.",
            *(f"Our step, {cell}: {shares(found['our parts, ms'])}." for cell, found in details.items()),
        ],
        details=details,
    )


def main() -> None:
    parser = step_parser(__doc__, models=["vit_small", "vit_base"], batch=2, rounds=5)
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS)
    parser.add_argument("--rope", default="fp32", choices=("fp32", "bf16"), help="rotation in ours; the peer's: fp32")
    parser.add_argument("--seconds", type=float, default=0.0, help="go on with a cell for so long")
    parser.add_argument("--clock", default="wall", choices=CLOCKS, help="cpu: processor time, for a busy machine")
    parser.add_argument("--side", choices=(OURS, PEER), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.side:
        print(json.dumps(run_side(args, crops_of(args))))
    else:
        compare_on_cpu(args, crops_of(args))


if __name__ == "__main__":
    main()
