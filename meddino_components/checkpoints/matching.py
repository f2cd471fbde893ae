"""Compare the tensors of a file with those that a network needs, and say what to do about differences."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch

from meddino_components.networks import PRESETS

_SHOWN = 5
# tensors that only some networks of this kind have, and their names in words
_OPTIONAL_TENSORS = (
    (r"attn\.qkv\.bias$", "biases of queries, keys and values"),
    (r"attn\.proj\.bias$", "biases of the attention's output"),
    (r"mlp\.\w+\.bias$", "biases in the feed-forward networks"),
    (r"storage_tokens$", "storage tokens"),
    (r"ls[12]\.gamma$", "LayerScale"),
    (r"local_cls_norm\.", "a norm for the CLS token of local crops"),
    (r"(?:^|backbone\.)cls_norm\.", "a norm for the CLS token"),
)


@dataclass
class Differences:
    """The differences that keep tensors from fitting a network.

    Attributes:
        missing: names that the network needs and the file lacks.
        unexpected: names in the file that the network has no place for.
        wrong_shape: one line for each tensor of another shape.
        non_finite: names of tensors that hold NaN or infinity.
        other: other reasons why the tensors do not fit, in words.
        hints: advice on how to resolve the differences.
    """

    missing: list[str]
    unexpected: list[str]
    wrong_shape: list[str]
    non_finite: list[str]
    other: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def lines(self, *, strict: bool) -> list[str]:
        """Describe fatal differences: all if ``strict``, else all but missing and unexpected names."""
        shown = [
            _abridged("of the wrong shape", self.wrong_shape),
            _abridged("with NaN or infinite values", self.non_finite),
            *self.other,
        ]
        if strict:
            shown = [*self.name_lines(), *shown]
        return [line for line in shown if line]

    def name_lines(self) -> list[str]:
        """Describe missing and unexpected names."""
        lines = [_abridged("missing from the file", self.missing), _abridged("unexpected", self.unexpected)]
        return [line for line in lines if line]


def compare(tensors: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> Differences:
    """Compare a file's tensors with the state dict of the network that will load them."""
    both = [key for key in target if key in tensors]
    return Differences(
        missing=[key for key in target if key not in tensors],
        unexpected=[key for key in tensors if key not in target],
        wrong_shape=[
            f"{key} is {list(tensors[key].shape)}, the network has {list(target[key].shape)}"
            for key in both
            if tensors[key].shape != target[key].shape
        ],
        non_finite=[key for key in tensors if not bool(torch.isfinite(tensors[key]).all())],
    )


def backbone_hints(
    differences: Differences, tensors: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]
) -> list[str]:
    """Say how the file's network differs from the one that was built, and how to build the file's."""
    found, wanted = _describe(tensors), _describe(target)
    if found and wanted and found != wanted:
        return [f"the file is {found}, the network is {wanted}: build the network from the weights (backbone_of)"]
    hints = []
    for pattern, what in _OPTIONAL_TENSORS:
        if any(re.search(pattern, key) for key in differences.missing):
            hints.append(
                f"the file belongs to a network without {what}: build the network from the weights (backbone_of)"
            )
        elif any(re.search(pattern, key) for key in differences.unexpected):
            hints.append(f"the file belongs to a network with {what}: build the network from the weights (backbone_of)")
    return hints


def _describe(tensors: Mapping[str, torch.Tensor]) -> str:
    """``vit_large (1024 wide, 24 blocks, mlp)``; empty if the tensors do not show it."""
    width = next((tensors[key].shape[-1] for key in ("cls_token", "norm.weight") if key in tensors), None)
    blocks = {int(match[1]) for key in tensors if (match := re.match(r"blocks\.(\d+)\.", key))}
    if width is None or not blocks:
        return ""
    gated = any(".mlp.w1." in key for key in tensors)
    shape = f"{width} wide, {len(blocks)} blocks, {'swiglu' if gated else 'mlp'}"
    for name, arguments in PRESETS.items():
        preset_gated = str(arguments.get("ffn_layer", "mlp")).startswith("swiglu")
        if (arguments["embed_dim"], arguments["depth"], preset_gated) == (width, len(blocks), gated):
            return f"{name} ({shape})"
    return shape


def _abridged(what: str, items: Iterable[str]) -> str:
    listed = list(items)
    if not listed:
        return ""
    more = f", ... and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"{len(listed)} {what}: {', '.join(listed[:_SHOWN])}{more}"
