"""The command that exports a bundle's trained network to a file that runs without this project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import nn

from .. import __version__
from ..bundle import CHECK_KEY, choose_bundle, config_files, wrap
from ..checkpoints import WeightsRecord, describe_network
from ..data.volumes.regions import plain_regions
from ..errors import InputError, unwrapped
from ..files import sha256_of
from ..inference import ModelSettings
from ..networks import MedDinoSegmenter
from .checked_file import write_checked
from .formats import INPUT, OUTPUT, suffix_of


def export(
    output: str,
    bundle: str | None = None,
    model: str | None = None,
    overlay_config: str | None = None,
    tolerance: float = 0.001,
    **overrides: Any,
) -> str:
    """Write a bundle's trained network as ONNX or as a torch.export program.

    Args:
        output: path of the file, which ends in .onnx or .pt2; the results of the check are written to <output>.json,
            the SHA-256 to <output>.sha256.
        bundle: name or folder of the bundle; omit to use the one named in the weights.
        model: path of the weights; omit to use the bundle's models/model.pt.
        overlay_config: second configuration, such as laptop, for weights without a record.
        tolerance: largest allowed difference of logits, as a share of the largest logit; beyond it no file is written.
        overrides: keys of the configuration to set, such as --context_slices 3 for weights without a record.

    Returns:
        What was written and checked, one line each.

    Raises:
        InputError: the bundle or the weights do not exist, a setting contradicts the weights' record, or the network is
            not one of this project's. No file is written then.
    """
    path = Path(output)
    suffix_of(path)
    given = {**({"model_path": model} if model else {}), **overrides}
    with unwrapped():
        parser = _configuration(choose_bundle(bundle, model), overlay_config, given)
        trained = parser.get_parsed_content("trained")
        network: nn.Module = parser.get_parsed_content("network_def")
        settings: ModelSettings = parser.get_parsed_content("model")
    if not isinstance(network, MedDinoSegmenter):
        raise InputError(
            f"{settings.source}: is a {type(network).__name__}, but only networks of this project can be exported: "
            f"use the export of its own library"
        )
    labels = settings.label_names
    record = _record_of(settings, network, trained.sha256, parser.get("_meta_", {}).get("name"))
    part = {
        "bundle_version": parser.get("_meta_", {}).get("version"),
        "weights_sha256": trained.sha256,
        "weights_record_id": settings.record_id,
        "input": {
            "name": INPUT,
            "axes": ["slices", "channels", "height", "width"],
            "channels": network.stem.in_channels,
            "multiple_of_px": network.backbone.patch_size,
            "smallest_px": 2 * network.backbone.patch_size,
            "fixed_axes": ["channels"],
            "roi_size": settings.roi_size,
            "pixdim_mm": settings.pixdim,
            "axcodes": settings.axcodes,
        },
        "output": {
            "name": OUTPUT,
            "labels": labels if isinstance(labels, list) else {str(k): v for k, v in labels.items()},
        },
        "versions": {"meddino": __version__, "torch": str(torch.__version__)},
    }
    checks = write_checked(
        network,
        path,
        replace(record, export=part),
        roi_size=(settings.roi_size[0], settings.roi_size[1]),
        tolerance=tolerance,
        independent=settings.regions is not None,
    )
    return "\n".join([f"wrote {path}", *map(str, checks), f"SHA-256 {sha256_of(path)}"])


def _record_of(settings: ModelSettings, network: nn.Module, sha256: str, bundle: str | None) -> WeightsRecord:
    """Return the record of the weights; for weights without one, a record of the settings used."""
    if settings.record is not None:
        return settings.record
    regions = settings.regions
    return WeightsRecord(
        architecture=describe_network(network),
        plan={
            "roi_size": settings.roi_size,
            "pixdim": settings.pixdim,
            "context_slices": settings.context_slices,
            "resampling": settings.resampling,
            "axcodes": settings.axcodes,
            "fingerprint": settings.fingerprint,
            "background": settings.background,
        },
        labels=settings.labels,
        regions=None if regions is None else plain_regions(regions),
        codes=settings.segment_codes,
        channels=tuple(settings.channel_names),
        parents=({"source": Path(settings.source).name, "sha256": sha256, "role": "network", "record_id": None},),
        bundle=bundle,
    )


def _configuration(bundle: Path, overlay_config: str | None, overrides: Mapping[str, Any]) -> ConfigParser:
    """Return the inference configuration of a bundle, as `monai.bundle run` would read it."""
    parser = ConfigParser()
    parser.read_config(config_files(bundle, "inference", *([overlay_config] if overlay_config else [])))
    if (metadata := bundle / "configs" / "metadata.json").is_file():
        parser.read_meta(str(metadata))
    parser.update(wrap({"bundle_root": bundle.resolve(), **overrides}))
    parser.get_parsed_content(CHECK_KEY)
    return parser
