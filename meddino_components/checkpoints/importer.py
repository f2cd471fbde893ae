"""Load weights of every known format into this project's networks."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from meddino_components.errors import InputError
from meddino_components.networks import DinoVisionTransformer, MedDinoSegmenter

from .backbone_fit import fit_backbone
from .encoder_facts import EncoderFacts, facts_of_network
from .formats import HEADS, FoundNetwork, Tensors, find_network, segmenter_siblings
from .lora import read_adapter_config
from .matching import Differences, backbone_hints, compare
from .reader import read_payload
from .registry import find_known
from .source import pinned_address, resolve, verified_sha256
from .stated_architecture import read_stated_architecture


@dataclass(frozen=True)
class BackboneWeights:
    """The backbone in a weight file.

    Attributes:
        source: path or address as the caller gave it.
        format: naming of the tensors in the file: ``dinov3``, ``transformers`` or ``timm``, and the place in the
            file where the network was found.
        sha256: SHA-256 of the file.
        tensors: tensors by their names in the public DINOv3 checkpoints. A tensor of the same network that belongs
            neither to the backbone nor to a known head keeps its name from the file.
        notes: changes that the renaming made beyond names, and what was not loaded.
        facts: network that the weights belong to; None if tensors are missing that every backbone has.
    """

    source: str
    format: str
    sha256: str
    tensors: Tensors
    notes: tuple[str, ...] = ()
    facts: EncoderFacts | None = None


@dataclass(frozen=True)
class LoadReport:
    """Report of an import; ``str(report)`` is readable text for a log.

    Attributes:
        source: path or address as the caller gave it.
        format: naming of the tensors in the file, and the place in the file where the network was found.
        sha256: SHA-256 of the file.
        n_tensors: number of tensors copied from the file.
        notes: every difference that was settled.
    """

    source: str
    format: str
    sha256: str
    n_tensors: int
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        head = f"{self.n_tensors} tensors from {self.source} ({self.format}, SHA-256 {self.sha256})"
        return "\n  ".join([head, *self.notes])


def read_backbone_weights(source: str | os.PathLike[str], *, sha256: str | None = None) -> BackboneWeights:
    """Read a backbone from a weight file of any known format.

    Args:
        source: path, ``hf://owner/name[@revision][/file]`` or name of a known encoder, see `resolve`.
        sha256: SHA-256 that the file must have; a file ``<path>.sha256`` next to it is always checked.

    Raises:
        InputError: the file does not exist, is damaged, could run code, has another SHA-256, or holds no backbone.
    """
    found, digest, facts = _read(source, sha256)
    notes = list(found.notes)
    heads = sorted({key.split(".")[0] for key in found.siblings if key.startswith(HEADS)})
    if heads:
        notes.append(f"not loaded from the file: {', '.join(heads)}")
    strangers = {key: tensor for key, tensor in found.siblings.items() if not key.startswith(HEADS)}
    return BackboneWeights(
        os.fspath(source), _format(found), digest, {**found.tensors, **strangers}, tuple(notes), facts
    )


def load_backbone_weights(
    backbone: DinoVisionTransformer,
    source: str | os.PathLike[str],
    strict: bool = True,
    *,
    sha256: str | None = None,
    resample_patches: bool = False,
) -> LoadReport:
    """Load weights of any known format into a backbone.

    Rotary periods are recomputed from the backbone's own arguments, the mask of the key bias is rebuilt, and a patch
    embedding for another number of channels is adapted (`adapt_patch_embedding`); the report lists each change. If
    anything does not fit, the backbone stays unchanged.

    Args:
        backbone: network that loads the weights, in its own precision.
        source: path, address or name of the weights, see `resolve`.
        strict: whether to refuse missing and unexpected tensors. If False, the report only lists them; wrong shapes,
            other rotary periods, NaN and infinity are still refused.
        sha256: SHA-256 that the file must have.
        resample_patches: whether to accept weights of another patch size, see `resample_patch_embedding`.

    Raises:
        InputError: see `read_backbone_weights`; or the tensors do not fit: the message lists what is missing,
            unexpected, of the wrong shape or not finite, and what to change.
    """
    weights = read_backbone_weights(source, sha256=sha256)
    fit = fit_backbone(weights.tensors, backbone, format=weights.format, resample_patches=resample_patches)
    target = backbone.state_dict()
    differences = compare(fit.tensors, target)
    differences.other.extend(fit.problems)
    differences.hints.extend(backbone_hints(differences, fit.tensors, target))
    notes = [*weights.notes, *fit.notes, *_settle(differences, weights.source, strict=strict)]
    notes += _told_of_the_network(weights.facts, backbone)
    used = {key: tensor for key, tensor in fit.tensors.items() if key in target}
    backbone.load_state_dict(used, strict=strict)
    n_tensors = sum(key not in fit.own for key in used)
    return LoadReport(weights.source, weights.format, weights.sha256, n_tensors, tuple(notes))


def load_segmenter_weights(
    segmenter: MedDinoSegmenter, source: str | os.PathLike[str], *, sha256: str | None = None
) -> LoadReport:
    """Load a whole segmentation network, backbone and decoder.

    Accepts this project's own names (``backbone.*``, ``decoder.*``) and the official ones (``dino_encoder.*``,
    ``up_projection.*``), bare or in a checkpoint of MONAI, ignite or nnU-Net.

    Raises:
        InputError: as `load_backbone_weights` with ``strict=True``.
    """
    found, digest, facts = _read(source, sha256)
    fit = fit_backbone(found.tensors, segmenter.backbone, format=found.format)
    tensors = {f"backbone.{key}": tensor for key, tensor in fit.tensors.items()} | segmenter_siblings(found.siblings)
    differences = compare(tensors, segmenter.state_dict())
    differences.other.extend(fit.problems)
    differences.hints.extend(_segmenter_hints(differences, tensors, segmenter))
    notes = [*found.notes, *fit.notes, *_settle(differences, os.fspath(source), strict=True)]
    notes += _told_of_the_network(facts, segmenter.backbone)
    segmenter.load_state_dict(tensors)
    return LoadReport(os.fspath(source), _format(found), digest, len(tensors) - len(fit.own), tuple(notes))


def _read(source: str | os.PathLike[str], sha256: str | None) -> tuple[FoundNetwork, str, EncoderFacts | None]:
    path, text = resolve(source), os.fspath(source)
    known = find_known(text)
    digest = verified_sha256(path, sha256 or (known.sha256 if known else None))
    found = find_network(read_payload(path), source=text, adapter=read_adapter_config(path))
    stated = read_stated_architecture(path)
    taken = pinned_address(text, path)
    if taken is not None and taken != (known.source if known else text):
        found.notes.append(f"downloaded from {taken}: give this address to get the same file again")
    try:
        return found, digest, facts_of_network(found, stated=stated, source=text, sha256=digest)
    except InputError:
        return found, digest, None  # comparing the tensors with a network lists what does not fit


def _told_of_the_network(facts: EncoderFacts | None, backbone: DinoVisionTransformer) -> list[str]:
    """List properties that features depend on but no tensor shows, if assumed or different in this run."""
    if facts is None:
        return []
    notes = [
        f"assumed, as neither the file nor the registry states it: {name} {facts.architecture[name]}"
        for name in facts.assumed
    ]
    for name in ("norm_layer", "pos_embed_rope_dtype", "pos_embed_rope_normalize_coords"):
        if backbone.arguments[name] != facts.architecture[name]:
            notes.append(f"{name} is {facts.architecture[name]} in the weights and {backbone.arguments[name]} here")
    return notes


def _format(found: FoundNetwork) -> str:
    return f"{found.format} names under {found.where!r}" if found.where else f"{found.format} names"


def load_tensors(module: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: str | os.PathLike[str]) -> None:
    """Load tensors by the module's own names; all must be present.

    Args:
        module: module that loads the tensors.
        tensors: tensors by their names in its state dict.
        source: file that they come from, for the message.

    Raises:
        InputError: the message lists what is missing, unexpected, of the wrong shape or not finite; the module stays as
            it was.
    """
    _settle(compare(tensors, module.state_dict()), os.fspath(source), strict=True)
    module.load_state_dict(dict(tensors))


def _segmenter_hints(
    differences: Differences, tensors: Mapping[str, torch.Tensor], segmenter: MedDinoSegmenter
) -> list[str]:
    target = segmenter.state_dict()
    if not any(key.startswith("decoder.") and key not in differences.missing for key in target):
        return [
            "the file holds a backbone without a decoder: load it with load_backbone_weights(segmenter.backbone, ...)"
        ]
    backbone = {key.removeprefix("backbone."): tensor for key, tensor in tensors.items() if key.startswith("backbone.")}
    hints = backbone_hints(differences, backbone, segmenter.backbone.state_dict())
    found, wanted = _decoder_sizes(tensors), _decoder_sizes(target)
    if found["classes"] != wanted["classes"]:
        hints.append(
            f"the file has {found['classes']} classes, the network {wanted['classes']}: give label_names (num_classes) "
            "as in the file's training"
        )
    if found["levels"] != wanted["levels"]:
        hints.append(
            f"the file's decoder reads {found['levels']} blocks, the network's {wanted['levels']}: give "
            "interaction_indices as in the file's training"
        )
    return hints


def _decoder_sizes(tensors: Mapping[str, torch.Tensor]) -> dict[str, int | None]:
    """Return the numbers of classes and of decoded blocks; None where the tensors do not show it."""
    head, first = tensors.get("decoder.head.weight"), tensors.get("decoder.stages.0.up.weight")
    cls_token = tensors.get("backbone.cls_token")
    levels = None if first is None or cls_token is None else first.shape[0] // cls_token.shape[-1]
    return {"classes": None if head is None else head.shape[0], "levels": levels}


def _settle(differences: Differences, source: str, *, strict: bool) -> list[str]:
    """Raise for what is fatal and return the rest as notes."""
    fatal = differences.lines(strict=strict)
    if fatal:
        hints = [f"to do: {hint}" for hint in differences.hints]
        raise InputError("\n  ".join([f"{source}: the weights do not fit the network", *fatal, *hints]))
    return differences.name_lines()
