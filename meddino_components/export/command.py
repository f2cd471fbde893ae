"""The command that takes a bundle's trained network to a file which runs without this project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from .. import __version__
from ..bundle import CHECK_KEY, config_files, wrap
from ..files import sha256_of
from ..networks import MedDinoSegmenter
from .checked_file import write_checked
from .formats import INPUT, OUTPUT, suffix_of


def export(
    output: str,
    bundle: str = "bundles/meddinov3_seg_amos",
    model: str | None = None,
    overlay_config: str | None = None,
    tolerance: float = 0.001,
    **overrides: Any,
) -> str:
    """Write a bundle's trained network as ONNX or as a torch.export program.

    Args:
        output: ends in .onnx or .pt2; what was checked is written beside it, to <output>.json, and its SHA-256 to
            <output>.sha256.
        bundle: folder of the bundle.
        model: weights; the bundle's models/model.pt if left out.
        overlay_config: a second configuration the network was trained with, such as laptop.
        tolerance: how far logits may be apart, as a share of the largest logit; beyond it no file is left.
        overrides: keys of the configuration, such as --context_slices 3.
    """
    path = Path(output)
    suffix_of(path)
    parser = _configuration(Path(bundle), overlay_config, {**({"model_path": model} if model else {}), **overrides})
    trained = parser.get_parsed_content("trained")
    network: MedDinoSegmenter = parser.get_parsed_content("network_def")
    description = {
        "bundle": parser.get("_meta_", {}).get("name"),
        "bundle_version": parser.get("_meta_", {}).get("version"),
        "weights_sha256": trained.sha256,
        "input": {
            "name": INPUT,
            "axes": ["slices", "channels", "height", "width"],
            "channels": network.stem.in_channels,
            "multiple_of_px": network.backbone.patch_size,
            "smallest_px": 2 * network.backbone.patch_size,
            "fixed_axes": ["channels"],
            "roi_size": parser.get_parsed_content("roi_size"),
            "pixdim_mm": parser.get_parsed_content("pixdim"),
        },
        "output": {"name": OUTPUT, "labels": parser.get_parsed_content("label_names")},
        "versions": {"meddino": __version__, "torch": str(torch.__version__)},
    }
    checks = write_checked(
        network,
        path,
        description,
        roi_size=parser.get_parsed_content("roi_size"),
        tolerance=tolerance,
        independent=parser.get("regions") is not None,
    )
    return "\n".join([f"wrote {path}", *map(str, checks), f"SHA-256 {sha256_of(path)}"])


def _configuration(bundle: Path, overlay_config: str | None, overrides: Mapping[str, Any]) -> ConfigParser:
    """The inference configuration of a bundle, as `monai.bundle run` would see it."""
    parser = ConfigParser()
    parser.read_config(config_files(bundle, "inference", *([overlay_config] if overlay_config else [])))
    if (metadata := bundle / "configs" / "metadata.json").is_file():
        parser.read_meta(str(metadata))
    parser.update(wrap({"bundle_root": bundle.resolve(), **overrides}))
    parser.get_parsed_content(CHECK_KEY)
    return parser
