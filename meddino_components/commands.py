"""Commands that put parts of several packages together."""

from __future__ import annotations

from pathlib import Path

from .bundle import build, write_settings_page
from .checkpoints import (
    WeightsRecord,
    backbone_of,
    check_stated_sha256,
    describe_network,
    load_backbone_weights,
    parent_of,
    resolve,
    write_weights,
)
from .data import describe_series
from .errors import InputError
from .software import software_versions


def series(folder: str) -> str:
    """List the DICOM series of a folder: UID, files, modality, slices, spacing; no names or descriptions.

    Args:
        folder: searched with all folders below.
    """
    return "\n".join(describe_series(folder))


def import_weights(
    source: str,
    output: str,
    backbone: str | None = None,
    patch_size: int | None = None,
    weights_sha256: str | None = None,
) -> str:
    """Convert a backbone's weights of any known format to this project's safetensors.

    Args:
        source: a path, a known encoder such as ``meddinov3-b``, or ``hf://owner/name[@revision][/file]``.
        output: ends in ``.safetensors`` or ``.pt``.
        backbone: what the weights are expected to be, such as ``vit_base``; others are refused.
        patch_size: in pixels; weights of another one have their patch embedding resampled.
        weights_sha256: what the SHA-256 of the source must be.
    """
    if weights_sha256 is not None:
        check_stated_sha256(resolve(source), weights_sha256)
    network = backbone_of(weights=source, name=backbone, patch_size=patch_size)
    report = load_backbone_weights(network, source, sha256=weights_sha256, resample_patches=patch_size is not None)
    parent = parent_of(report.source, report.sha256, "encoder")
    record = WeightsRecord(
        architecture=describe_network(network),
        parents=(parent.facts,),
        licences=parent.licences,
        software=software_versions(),
    )
    sha256 = write_weights(network.state_dict(), output, record=record)
    return f"{report}\nwrote {output}, SHA-256 {sha256}"


def build_bundles(*bundles: str) -> list[str]:
    """Merge the YAML layers of bundles into their ``configs/*.json``; without names, of all in ``bundles/``.

    Without names ``docs/settings.md`` is written, too.
    """
    folders = [Path(name) for name in bundles] or sorted(
        path.parent.parent for path in Path().glob("bundles/*/sources/layers.yaml")
    )
    if not folders:
        raise InputError("no bundles/*/sources/layers.yaml below the working directory: name the bundles' folders")
    written = [str(path) for folder in folders for path in build(folder)]
    if not bundles and Path("docs").is_dir():
        written.append(str(write_settings_page(Path("docs"), folders)))
    return written
