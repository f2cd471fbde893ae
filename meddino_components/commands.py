"""Commands that combine parts of several packages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from .bundle import build, make_bundle, what_to_edit, write_component_list, write_settings_page
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
        folder: folder to search, including its subfolders.
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
        source: path, name of a known encoder such as ``meddinov3-b``, or ``hf://owner/name[@revision][/file]``.
        output: path of the result, which ends in ``.safetensors`` or ``.pt``.
        backbone: expected network, such as ``vit_base``; weights of another one are refused.
        patch_size: patch size in pixels; the patch embedding is resampled if the weights have another one.
        weights_sha256: SHA-256 that the source must have.
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


def new_bundle(
    name: str,
    like: str = "meddinov3_seg_amos",
    dataset_layout: str | None = None,
    dataset_dir: str | None = None,
    modality: Literal["ct", "mr"] | None = None,
    label_names: Sequence[str] | None = None,
) -> str:
    """Make a segmentation bundle for another data set in ``bundles/``, ready to train.

    It gets the network, the recipe and the licence of the bundle named by --like. Existing files are never replaced.

    Args:
        name: name of the bundle: letters, digits and underscores.
        like: bundle to copy: meddinov3_seg_amos for one image per case, meddinov3_seg_brats for MRI sequences.
        dataset_layout: layout of the data set: amos, nnunet_raw, msd, brats or dicom, see docs/data.md; not needed with
            --dataset_dir.
        dataset_dir: folder of the data set, from which layout, labels and modality are read.
        modality: ct or mr; not needed where the data set states it.
        label_names: names of the labels, the background first, as in "['background', 'liver']"; not needed where the
            data set names them.
    """
    bundle = make_bundle(
        name,
        like=like,
        dataset_layout=dataset_layout,
        dataset_dir=dataset_dir,
        modality=modality,
        label_names=label_names,
    )
    _write_about_all(_all_bundles())
    return what_to_edit(bundle)


def build_bundles(*bundles: str) -> list[str]:
    """Merge the YAML layers of bundles into their ``configs/*.json``; without names, for all in ``bundles/``.

    Without names two files about all bundles are written, too: ``docs/settings.md``, and the list of components that a
    released bundle may name (``meddino_components/bundle/components.json``).
    """
    folders = [Path(name) for name in bundles] or _all_bundles()
    if not folders:
        raise InputError("no bundles/*/sources/layers.yaml below the working directory: name the bundles' folders")
    written = [str(path) for folder in folders for path in build(folder)]
    return written if bundles else [*written, *_write_about_all(folders)]


def _all_bundles() -> list[Path]:
    return sorted(path.parents[1] for path in Path().glob("bundles/*/sources/layers.yaml"))


def _write_about_all(folders: Sequence[Path]) -> list[str]:
    """Write the files about all bundles of a checkout."""
    written = []
    if Path("docs").is_dir():
        written.append(write_settings_page(Path("docs"), folders))
    package = Path(Path(__file__).parent.name)
    if package.is_dir():
        written.append(write_component_list(package, folders))
    return [str(path) for path in written]
