"""Backbone, losses and segmenter against recorded numbers of the official code, in fp32 and in bf16."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from meddino_components.losses import DINOLoss, GramLoss, IBOTPatchLoss, KoLeoLoss, sinkhorn_knopp
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

from . import golden
from .check import Figures, Place
from .numbers import check_limits, full_precision, worst

ENTRIES = ("x_norm_clstoken", "x_storage_tokens", "x_norm_patchtokens", "x_prenorm")
Pairs = Iterator[tuple[str, Tensor, Tensor]]
# The relative error of fp32 is rounding; where the rotation's angles are bf16, those of another processor may round the
# other way. Autocast rounds each product's inputs to 8 bits, which adds up over blocks.
VIT_LIMITS = {"fp32": 1e-4, "fp32, bf16 rotation": 5e-3, "bf16": 3e-2, "gradients": 2e-3}
# KoLeo takes the logarithm of distances between neighbours, which rounding to 8 bits changes: it is left out in bf16.
LOSS_LIMITS = {"fp32": 1e-4, "gradients": 1e-3, "bf16": 1e-2}
PRIMUS_LIMITS = {"encoder": 1e-4, "decoder": 1e-4, "encoder, bf16": 3e-2, "decoder, bf16": 3e-2, "gradients": 5e-3}


def check_vit(place: Place, figures: Figures) -> None:
    """Features and gradients of the backbone."""
    errors: dict[str, tuple[str, float]] = {}
    for variant in golden.variants("vit", ".kwargs.json"):
        kwargs = golden.settings(f"vit/{variant}.kwargs.json")
        del kwargs["img_size"]
        rope = kwargs.setdefault("pos_embed_rope_dtype", "bf16")
        network = DinoVisionTransformer(**kwargs).eval()
        network.load_state_dict(golden.tensors(f"vit/{variant}.state_dict.safetensors", torch.device("cpu")))
        network = network.to(place.device)
        inputs = golden.tensors("vit/inputs.safetensors", place.device)
        expected = golden.tensors(f"vit/{variant}.outputs.safetensors", place.device)
        exact = "fp32" if rope != "bf16" else "fp32, bf16 rotation"
        with full_precision():
            _keep_worst(errors, exact, worst(_features(variant, network, inputs, expected)))
            if rope != "bf16":
                _keep_worst(errors, "gradients", worst(_vit_gradients(variant, network, inputs, expected)))
        with torch.autocast(place.device.type, torch.bfloat16):
            _keep_worst(errors, "bf16", worst(_features(variant, network, inputs, expected)))
    check_limits(figures, errors, VIT_LIMITS)


def _features(variant: str, network: DinoVisionTransformer, inputs: Any, expected: Mapping[str, Tensor]) -> Pairs:
    for call in ("x1.nomask", "x2.nomask", "x2.masked"):
        image, masking = call.split(".")
        with torch.no_grad():
            masks = inputs[f"masks{image[1:]}"] if masking == "masked" else None
            features = network.forward_features(inputs[image], masks)
        for entry in ENTRIES:
            if f"{call}.{entry}" in expected:
                yield f"{variant}.{call}.{entry}", features[entry], expected[f"{call}.{entry}"]


def _vit_gradients(variant: str, network: DinoVisionTransformer, inputs: Any, expected: Mapping[str, Tensor]) -> Pairs:
    """Norms of all gradients, as one tensor, and those that were recorded whole."""
    recorded = golden.settings(f"vit/{variant}.grads.json")
    features = network.forward_features(inputs["x2"], inputs["masks2"])
    loss = features["x_norm_patchtokens"].pow(3).mean() + features["x_norm_clstoken"].pow(3).mean()
    loss = loss + 1e-3 * features["x_storage_tokens"].pow(3).sum()
    network.zero_grad()
    loss.backward()
    parameters = dict(network.named_parameters())
    norms = {name: norm for name, norm in recorded["grad_l2_norms"].items() if norm is not None}
    found = torch.stack([parameters[name].grad.norm() for name in norms])
    yield f"{variant}.norms", found, torch.tensor(list(norms.values()))
    for name, value in expected.items():
        if name.startswith("grad."):
            yield f"{variant}.{name}", parameters[name.removeprefix("grad.")].grad, value


def _keep_worst(errors: dict[str, tuple[str, float]], kind: str, found: tuple[str, float]) -> None:
    if kind not in errors or found[1] > errors[kind][1]:
        errors[kind] = found


def check_losses(place: Place, figures: Figures) -> None:
    """Sinkhorn-Knopp, DINO, iBOT, KoLeo and Gram: values, and gradients to what the student gives."""
    recorded = golden.tensors("losses/losses.safetensors", place.device)
    temps = golden.settings("losses/params.json")
    with full_precision():
        teacher = list(_teacher_pairs(recorded, temps))
        losses = list(_loss_terms(recorded, temps, torch.float32))
        rounded = list(_loss_terms(recorded, temps, torch.bfloat16))
    errors = {
        "fp32": worst([*teacher, *((name, loss, recorded[f"{name}.loss"]) for name, loss, _ in losses)]),
        "gradients": worst((name, gradient, recorded[f"{name}.grad"]) for name, _, gradient in losses),
        "bf16": worst((name, loss, recorded[f"{name}.loss"]) for name, loss, _ in rounded if "koleo" not in name),
    }
    check_limits(figures, errors, LOSS_LIMITS)


def _teacher_pairs(recorded: Mapping[str, Tensor], temps: Mapping[str, float]) -> Pairs:
    logits, temp = recorded["dino.teacher_logits"], temps["teacher_temp"]
    yield "dino.sinkhorn", sinkhorn_knopp(logits, temp), recorded["dino.sinkhorn"]
    sharp = sinkhorn_knopp(logits, 0.04, n_iterations=5)
    yield "dino.sinkhorn, sharp", sharp, recorded["dino.sinkhorn_t0.04_iter5"]
    masked = sinkhorn_knopp(recorded["ibot.teacher_logits"][recorded["ibot.masks"]], temp)
    yield "ibot.sinkhorn", masked, recorded["ibot.sinkhorn_masked"]


def _loss_terms(
    recorded: Mapping[str, Tensor], temps: Mapping[str, float], dtype: torch.dtype
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, loss and gradient of each recorded loss, of a student whose outputs have this type."""

    def student_of(values: Tensor) -> Tensor:
        return values.to(dtype).clone().requires_grad_()

    for name in [name.removesuffix(".loss") for name in recorded if name.endswith(".loss")]:
        if found := re.fullmatch(r"dino\.s(\d+)\.ignore_(False|True)", name):
            student = student_of(recorded[f"dino.s{found[1]}.student_logits"])
            loss = DINOLoss(student_temp=temps["student_temp"])(
                student, recorded["dino.teacher_probs"], ignore_diagonal=found[2] == "True"
            )
        elif name == "ibot.forward_masked":
            masks = recorded["ibot.masks"]
            student = student_of(recorded["ibot.student_logits"][masks])
            weights = (masks / masks.sum(1, keepdim=True))[masks]
            loss = IBOTPatchLoss(student_temp=temps["student_temp"])(
                student, recorded["ibot.sinkhorn_masked"], weights, n_images=len(masks)
            )
        elif found := re.fullmatch(r"koleo(?:_topk(\d+))?", name):
            student = student_of(recorded["koleo.x"])
            loss = KoLeoLoss(topk=int(found[1] or 1))(student)
        elif found := re.fullmatch(r"gram\.norm(\d)_img(\d)_rneg(\d)_rteach(\d)", name):
            student = student_of(recorded["gram.student"])
            options = ("apply_norm", "img_level", "remove_neg", "remove_only_teacher_neg")
            chosen = {option: value == "1" for option, value in zip(options, found.groups(), strict=True)}
            loss = GramLoss(**chosen)(student, recorded["gram.teacher"])
        else:
            continue
        loss.backward()
        assert student.grad is not None
        yield name, loss, student.grad


def check_primus(place: Place, figures: Figures) -> None:
    """The segmentation network: image to decoder input, decoder input to logits, gradients."""
    case = "Primus.rope_fp32"
    recorded = golden.settings(f"primus/{case}.json")
    kwargs, primus = recorded["vit_kwargs"], recorded["primus_kwargs"]
    del kwargs["img_size"]
    kwargs["pos_embed_rope_dtype"] = "fp32"
    indices = primus.get("interaction_indices", [kwargs["depth"] - 1])
    backbone = DinoVisionTransformer(**kwargs)
    network = MedDinoSegmenter(backbone=backbone, num_classes=primus["num_classes"], interaction_indices=indices).eval()
    state = golden.tensors("primus/Primus.state_dict.safetensors", torch.device("cpu"))
    state = {_renamed(name): value for name, value in state.items()}
    state["backbone.rope_embed.periods"] = backbone.rope_embed.compute_periods()
    network.load_state_dict(state, strict=True)
    network = network.to(place.device)
    io = golden.tensors(f"primus/{case}.io.safetensors", place.device)

    def halves() -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            return network.aggregator(network.backbone, network.stem(io["x"])), network.decoder(io["decoder_input"])

    with full_precision():
        encoded, decoded = halves()
        network(io["x"]).pow(2).mean().backward()
    with torch.autocast(place.device.type, torch.bfloat16):
        encoded_bf16, decoded_bf16 = halves()
    parameters = dict(network.named_parameters())
    norms = {_renamed(name): norm for name, norm in recorded["grad_l2_norms"].items() if norm is not None}
    found_norms = torch.stack([parameters[name].grad.norm() for name in norms])
    pairs = {
        "encoder": (encoded, io["decoder_input"]),
        "decoder": (decoded, io["logits"]),
        "encoder, bf16": (encoded_bf16, io["decoder_input"]),
        "decoder, bf16": (decoded_bf16, io["logits"]),
        "gradients": (found_norms, torch.tensor(list(norms.values()))),
    }
    check_limits(figures, {kind: worst([(case, *pair)]) for kind, pair in pairs.items()}, PRIMUS_LIMITS)


def _renamed(name: str) -> str:
    """Our name of a parameter of the official network."""
    name = re.sub(r"^dino_encoder\.", "backbone.", name)
    name = re.sub(r"^up_projection\.decode\.4\.", "decoder.head.", name)
    name = re.sub(r"^up_projection\.decode\.(\d)\.0\.", r"decoder.stages.\1.up.", name)
    return re.sub(r"^up_projection\.decode\.(\d)\.1\.", r"decoder.stages.\1.norm.", name)
