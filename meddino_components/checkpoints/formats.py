"""Find a network in what a file holds, and give its tensors the names of the public DINOv3 checkpoints.

Tensor names alone decide the format. Three naming schemes are known: those of DINOv3 (also used by MedDINOv3 and by
this project), Hugging Face transformers, and timm. Each may be nested in containers and prefixes:
``{"teacher": {"backbone.cls_token": ...}}``, ``{"network": {"teacher.backbone.cls_token": ...}}``, a bare state dict.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from meddino_components.errors import InputError

from .lora import merge_adapters
from .wrappers import without_wrappers

Tensors = dict[str, torch.Tensor]

# Any one of these marks the root of a backbone, even if another was renamed or lost.
_ROOT_TENSOR = re.compile(
    r"(?P<prefix>(?:.*?\.)??)"
    r"(?:(?:embeddings\.)?cls_token|patch_embed(?:_2D)?\.proj\.weight|embeddings\.patch_embeddings\.weight|blocks\.0\.norm1\.weight)"
)
_BACKBONE_NAMES = ("backbone.", "dino_encoder.")
# Heads of self-distillation, projectors of distillation and a segmenter's decoder do not belong to the backbone.
HEADS = ("dino_head.", "ibot_head.", "projectors.", "decoder.", "up_projection.")
# If a file holds several networks, the first of these is taken; one under another name only if it is the only one.
_PREFERENCE = ("teacher", "network", "network_weights", "model", "state_dict", "student")


@dataclass
class FoundNetwork:
    """A backbone found in a file, and the other tensors of the same network.

    Attributes:
        where: path of the backbone within the file, for example ``teacher.backbone``; empty for a bare state dict.
        format: ``dinov3``, ``transformers`` or ``timm``.
        tensors: the backbone, with the names of the public DINOv3 checkpoints.
        siblings: tensors of the same network outside the backbone (heads, decoder), names as in the file.
        notes: changes that the renaming made beyond names.
        key_bias: whether the file has a bias for keys; False if only queries and values have one.
    """

    where: str
    format: str
    tensors: Tensors
    siblings: Tensors
    notes: list[str] = field(default_factory=list)
    key_bias: bool = True


@dataclass
class _Candidate:
    path: str
    tensors: Tensors
    siblings: Tensors
    notes: list[str]

    @property
    def rank(self) -> int:
        parts = self.path.split(".")
        ranks = [_PREFERENCE.index(part) for part in parts if part in _PREFERENCE]
        bare = all(part in ("", "backbone", "dino_encoder") for part in parts)
        return min(ranks, default=1 if bare else len(_PREFERENCE))


def find_network(payload: Any, *, source: str, adapter: Mapping[str, Any] | None = None) -> FoundNetwork:
    """Return the backbone in a file's content, renamed.

    Args:
        payload: content of the file.
        source: path of the file, for messages.
        adapter: settings of the LoRA adapters in it, see `read_adapter_config`.

    Raises:
        InputError: the file holds no backbone, several equally likely ones, or an incomplete one: flat parameters of
            FSDP, or LoRA adapters that cannot be merged.
    """
    candidates = sorted(_candidates(payload, source, adapter), key=lambda candidate: candidate.rank)
    if not candidates:
        raise _nothing_found(payload, source)
    best = candidates[0]
    rivals = [candidate.path for candidate in candidates if candidate.rank == best.rank]
    if len(rivals) > 1:
        raise InputError(
            f"{source}: holds several backbones ({', '.join(rivals)}); save the one you want to its own file"
        )
    found = _rename(best.tensors)
    found.notes.extend(best.notes)
    if "storage_tokens" in found.tensors and not found.tensors["storage_tokens"].numel():
        del found.tensors["storage_tokens"]  # transformers writes an empty tensor if there are none
    found.where, found.siblings = best.path.rstrip("."), best.siblings
    if "student" in best.path.split("."):
        found.notes.append("the file holds no teacher: the student was loaded")
    others = [candidate.path.rstrip(".") for candidate in candidates[1:]]
    if others:
        found.notes.append(f"not loaded from the file: {', '.join(others)}")
    return found


def segmenter_siblings(siblings: Mapping[str, torch.Tensor]) -> Tensors:
    """Return a segmenter's tensors outside its backbone, under this project's names.

    The official ``up_projection.decode.I.0`` (transposed convolution) and ``.1`` (norm) become
    ``decoder.stages.I.up`` and ``.norm``, the last convolution ``up_projection.decode.N`` becomes ``decoder.head``.
    """
    rules = (
        (r"up_projection\.decode\.(\d+)\.0\.", r"decoder.stages.\1.up."),
        (r"up_projection\.decode\.(\d+)\.1\.", r"decoder.stages.\1.norm."),
        (r"up_projection\.decode\.\d+\.(weight|bias)$", r"decoder.head.\1"),
    )
    return {_substitute(key, rules): tensor for key, tensor in siblings.items()}


def _candidates(payload: Any, source: str, adapter: Mapping[str, Any] | None) -> Iterator[_Candidate]:
    for path, content in _scopes(payload):
        scope, notes = merge_adapters(without_wrappers(content, source=source), adapter, source=source)
        prefixes = {match["prefix"] for key in scope if (match := _ROOT_TENSOR.fullmatch(key))}
        for prefix in prefixes:
            inside = {key.removeprefix(prefix): tensor for key, tensor in scope.items() if key.startswith(prefix)}
            parent = _parent(prefix)
            beside = {
                key.removeprefix(parent): tensor
                for key, tensor in scope.items()
                if key.startswith(parent) and not key.startswith(prefix)
            }
            heads = {key: inside.pop(key) for key in list(inside) if key.startswith(HEADS)}
            yield _Candidate(path + prefix, inside, beside | heads, list(notes))


def _scopes(payload: Any, path: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """Yield every mapping in the file that directly contains tensors, with its path."""
    if not isinstance(payload, Mapping):
        return
    if any(isinstance(value, torch.Tensor) for value in payload.values()):
        yield path, payload
    for key, value in payload.items():
        yield from _scopes(value, f"{path}{key}.")


def _parent(prefix: str) -> str:
    """``teacher.backbone.`` -> ``teacher.``; a prefix that does not name a backbone is the whole network's."""
    for name in _BACKBONE_NAMES:
        if prefix.endswith(name):
            return prefix[: -len(name)]
    return prefix


def _nothing_found(payload: Any, source: str) -> InputError:
    keys = [str(key) for key in payload] if isinstance(payload, Mapping) else [f"a {type(payload).__name__}"]
    shown = ", ".join(keys[:8]) + (f", ... ({len(keys)} in all)" if len(keys) > 8 else "")
    return InputError(
        f"{source}: holds no DINOv3 backbone; found {shown or 'nothing'}. Expected a state dict with 'cls_token' or "
        "'embeddings.cls_token' (DINOv3, transformers, timm), bare or under 'teacher' (MedDINOv3 and pretraining "
        "checkpoints: this file has none with a backbone in it), 'student', 'network' or 'model'"
    )


def _rename(tensors: Tensors) -> FoundNetwork:
    if any(key.startswith("embeddings.") for key in tensors):
        renamed, notes = transformers_to_dinov3(tensors)
        return FoundNetwork("", "transformers", renamed, {}, notes, _has_key_bias(tensors))
    if "reg_token" in tensors or any(
        key.endswith((".gamma_1", ".attn.q_bias", ".mlp.fc1_g.weight")) for key in tensors
    ):
        renamed, notes = timm_to_dinov3(tensors)
        return FoundNetwork("", "timm", renamed, {}, notes, _has_key_bias(tensors))
    renamed, notes = _of_slices(tensors)
    return FoundNetwork("", "dinov3", renamed, {}, notes)


def _of_slices(tensors: Mapping[str, torch.Tensor]) -> tuple[Tensors, list[str]]:
    """Keep the tensors for slices if a network has both ``patch_embed_2D`` and ``patch_embed_3D``."""
    if not any(re.match(r"\w+_2D\.", key) for key in tensors):
        return dict(tensors), []
    volumes = sorted({key.partition(".")[0] for key in tensors if re.match(r"\w+_3D\.", key)})
    kept = {re.sub(r"^(\w+)_2D\.", r"\1.", key): value for key, value in tensors.items()}
    kept = {key: value for key, value in kept.items() if key.partition(".")[0] not in volumes}
    return kept, [f"not loaded, as they are for volumes: {', '.join(volumes)}"] if volumes else []


def to_dinov3_names(tensors: Mapping[str, torch.Tensor]) -> tuple[Tensors, bool]:
    """Rename a bare backbone of any known format to DINOv3 names; also return whether its keys have a bias."""
    found = _rename(dict(tensors))
    return found.tensors, found.key_bias


def _has_key_bias(tensors: Mapping[str, torch.Tensor]) -> bool:
    return any(re.search(r"(?:k_proj\.bias|attn\.k_bias|attn\.qkv\.bias)$", key) for key in tensors)


def transformers_to_dinov3(tensors: Mapping[str, torch.Tensor]) -> tuple[Tensors, list[str]]:
    """Rename the tensors of transformers' ``DINOv3ViTModel``: ``model.layer.N`` in memory, ``layer.N`` in files.

    Three projections become one, and the mask token [1, 1, D] becomes [1, D].
    """
    gated = any(".mlp.gate_proj." in key for key in tensors)
    rules = (
        (r"^embeddings\.register_tokens$", "storage_tokens"),
        (r"^embeddings\.patch_embeddings\.", "patch_embed.proj."),
        (r"^embeddings\.", ""),
        (r"^(?:model\.)?layer\.(\d+)\.", r"blocks.\1."),
        (r"\.attention\.o_proj\.", ".attn.proj."),
        (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
        (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
        (r"\.mlp\.gate_proj\.", ".mlp.w1."),
        (r"\.mlp\.up_proj\.", ".mlp.w2." if gated else ".mlp.fc1."),
        (r"\.mlp\.down_proj\.", ".mlp.w3." if gated else ".mlp.fc2."),
    )
    renamed = {_substitute(key, rules): tensor for key, tensor in tensors.items()}
    if "mask_token" in renamed and renamed["mask_token"].ndim == 3:
        renamed["mask_token"] = renamed["mask_token"].squeeze(0)
    _merge_projections(renamed, "weight")
    return renamed, _merge_projections(renamed, "bias")


def timm_to_dinov3(tensors: Mapping[str, torch.Tensor]) -> tuple[Tensors, list[str]]:
    """Rename the tensors of timm's DINOv3 models, which have no mask token and separate q and v biases."""
    rules = (
        (r"^reg_token$", "storage_tokens"),
        (r"\.gamma_([12])$", r".ls\1.gamma"),
        (r"\.attn\.([qkv])_bias$", r".attn.\1.bias"),
        (r"\.mlp\.fc1_g\.", ".mlp.w1."),
        (r"\.mlp\.fc1_x\.", ".mlp.w2."),
    )
    renamed = {_substitute(key, rules): tensor for key, tensor in tensors.items()}
    for key in [key for key in renamed if ".mlp.fc2." in key]:
        if f"{key.split('.mlp.')[0]}.mlp.w1.weight" in renamed:
            renamed[key.replace(".fc2.", ".w3.")] = renamed.pop(key)
    return renamed, _merge_projections(renamed, "bias")


def _substitute(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def _merge_projections(tensors: Tensors, kind: str) -> list[str]:
    """Join ``attn.q.*``, ``attn.k.*`` and ``attn.v.*`` of every block to ``attn.qkv.*``, in place.

    A missing bias counts as zero. If a weight is missing, the others keep their names and are then listed as
    unexpected.
    """
    absent = set()
    stems = {key[: -len(f"q.{kind}")] for key in tensors if re.search(rf"\.attn\.[qkv]\.{kind}$", key)}
    for stem in stems:
        parts = {letter: tensors.get(f"{stem}{letter}.{kind}") for letter in "qkv"}
        present = [part for part in parts.values() if part is not None]
        if kind == "weight" and len(present) < 3:
            continue
        absent |= {letter for letter, part in parts.items() if part is None}
        zeros = torch.zeros_like(present[0])
        tensors[f"{stem}qkv.{kind}"] = torch.cat([zeros if part is None else part for part in parts.values()])
        for letter in "qkv":
            tensors.pop(f"{stem}{letter}.{kind}", None)
    return [f"the file has no {' and no '.join(sorted(absent))} bias; zeros are used"] if absent else []
