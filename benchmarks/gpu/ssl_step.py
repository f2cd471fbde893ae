"""One whole step of self-distillation against numbers recorded on a CPU in fp32.

``python -m gpu.ssl_step``, from benchmarks/, records them anew. Weights and images come from numpy's generator, whose
numbers are the same everywhere, unlike those of torch's.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from flops import Crops
from our_step import OurStep, on
from random_batch import random_batch
from torch import Tensor

from meddino_components.networks import DINOHead, DinoVisionTransformer
from meddino_components.self_distillation import StudentTeacher

from .check import REPOSITORY, Figures, Place
from .numbers import check_limits, full_precision, worst

REFERENCE = REPOSITORY / "benchmarks" / "gpu_reference" / "ssl_step.json"
CROPS = Crops(global_px=64, n_local=2, local_px=32)
UPDATED = tuple(
    f"{network}.{part}" for network in ("student", "teacher") for part in ("backbone", "dino_head", "ibot_head")
)
LIMITS = {
    "inputs": 1e-6,
    "fp32, loss terms": 1e-4,
    "fp32, gradient norms": 2e-3,
    "fp32, updates": 2e-3,
    "bf16, loss terms": 2e-2,
    "bf16, gradient norms": 1e-1,
}


def check_ssl_step(place: Place, figures: Figures) -> None:
    """Loss terms, gradient norms, and how far optimiser and EMA move each part."""
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    with full_precision():
        found = numbers_of_a_step(place.device, autocast=False)
    rounded = numbers_of_a_step(place.device, autocast=True)
    errors = {
        "inputs": _error("inputs", found, reference),
        "fp32, loss terms": _error("terms", found, reference),
        "fp32, gradient norms": _error("gradient_norms", found, reference),
        "fp32, updates": _error("updates", found, reference),
        "bf16, loss terms": _error("terms", rounded, reference),
        "bf16, gradient norms": _error("gradient_norms", rounded, reference),
    }
    check_limits(figures, errors, LIMITS)


def _error(kind: str, found: dict[str, Any], reference: dict[str, Any]) -> tuple[str, float]:
    names = reference[kind]
    if set(names) != set(found[kind]):
        raise ValueError(f"{kind}: {sorted(set(names) ^ set(found[kind]))} are not in both; record the reference anew")
    return worst((name, torch.tensor(found[kind][name]), torch.tensor(value)) for name, value in names.items())


def numbers_of_a_step(device: torch.device, *, autocast: bool) -> dict[str, dict[str, float]]:
    """Norms of the inputs, loss terms, norms of gradients and of what the step changes in each part."""
    rng = np.random.default_rng(0)
    network = _network(rng)
    batch = random_batch(CROPS, n_images=2)
    for name in ("global_crops", "local_crops"):
        batch[name] = _normal(rng, batch[name].shape)
    inputs = {"weights": _size(network.parameters()), "crops": _size(batch[n] for n in ("global_crops", "local_crops"))}
    inputs["masks"] = _size([batch["masks"] * torch.arange(1.0, 1 + batch["masks"].shape[1])])
    # eval: the rotation's random scale would differ between devices
    step = OurStep(network.eval().to(device), autocast=autocast)
    before = {name: parameter.detach().clone() for name, parameter in step.network.named_parameters()}
    terms = step(on(device, batch))
    changes = {name: parameter.detach() - before[name] for name, parameter in step.network.named_parameters()}
    return {
        "inputs": inputs,
        "terms": {name: float(term) for name, term in terms.items()},
        "gradient_norms": {name: float(value) for name, value in step.engine.state.metrics.items()},
        "updates": {
            part: _size(change for name, change in changes.items() if name.startswith(f"{part}.")) for part in UPDATED
        },
    }


def _network(rng: np.random.Generator) -> StudentTeacher:
    backbone = DinoVisionTransformer(
        embed_dim=48, depth=2, num_heads=3, n_storage_tokens=4, in_chans=1, layerscale_init=1.0,
        pos_embed_rope_dtype="fp32",
    )  # fmt: skip
    heads = [DINOHead(in_dim=48, out_dim=64, hidden_dim=48, bottleneck_dim=32) for _ in range(2)]
    network = StudentTeacher(backbone=backbone, dino_head=heads[0], ibot_head=heads[1])
    with torch.no_grad():
        for name, parameter in network.student.named_parameters():
            matrix = parameter.ndim > 1
            spread = 0.5 / parameter.shape[-1] ** 0.5 if matrix else 0.05
            scale = not matrix and name.endswith(("weight", "gamma"))
            parameter.copy_(_normal(rng, parameter.shape) * spread + float(scale))
        for target, source in zip(network.teacher.parameters(), network.student.parameters(), strict=True):
            target.copy_(source + 0.02 * _normal(rng, source.shape))
    return network


def _normal(rng: np.random.Generator, shape: Any) -> Tensor:
    return torch.from_numpy(rng.standard_normal(tuple(shape)).astype(np.float32))


def _size(tensors: Any) -> float:
    """Norm of all of them together."""
    return float(sum(float(tensor.detach().double().square().sum()) for tensor in tensors) ** 0.5)


def main() -> None:
    torch.set_num_threads(1)
    found = numbers_of_a_step(torch.device("cpu"), autocast=False)
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
