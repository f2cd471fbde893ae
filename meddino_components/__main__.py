"""``python -m meddino_components``: thin commands over the components and the bundles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import fire
from monai.bundle import run

from .bundle import build, config_files, package, unpack
from .checkpoints import load_backbone_weights, write_weights
from .data import curate, plan, write_phantoms
from .errors import InputError
from .export import EXPORTED_SUFFIXES, export
from .networks import vit_backbone


def segment(
    source: str | Sequence[str],
    output_dir: str,
    bundle: str = "bundles/meddinov3_seg_amos",
    modality: str | None = None,
    model: str | None = None,
    overlay_config: str | None = None,
    skip_existing: bool = False,
) -> None:
    """Segment a volume, a case of several sequences, or all of a folder, with a bundle's inference configuration.

    Args:
        source: a NIfTI, NRRD or MetaImage file, a folder, or a list of files ``"['a.nii.gz','b.nii.gz']"``; for
            meddinov3_seg_brats the sequences of a case, in any order, or a ``.json`` data list.
        output_dir: gets ``<case>.nii.gz``, ``<case>.json``, ``<case>.png`` and a summary.
        bundle: folder of the bundle, such as ``bundles/meddinov3_seg_brats``.
        modality: ``ct`` or ``mr``, never guessed; what the bundle states (ct for organs) if left out.
        model: weights, or an exported ``.onnx`` or ``.pt2``; the bundle's ``models/model.pt`` if left out.
        overlay_config: a second configuration the network was trained with, such as ``laptop``.
        skip_existing: pass over cases that have an output.
    """
    names = ["inference", *([overlay_config] if overlay_config else [])]
    if model and Path(model).suffix in EXPORTED_SUFFIXES:
        names.append("inference_exported")
    given = {"model_path": model, "modality": modality}
    run(
        config_file=config_files(bundle, *names),
        dataset_dir=str(source) if isinstance(source, (str, Path)) else [str(path) for path in source],
        output_dir=str(output_dir),
        skip_existing=skip_existing,
        **{key: str(value) for key, value in given.items() if value},
    )


def import_weights(source: str, output: str, backbone: str = "vit_base", **overrides: object) -> str:
    """Convert a backbone's weights of any known format to this project's safetensors.

    Args:
        source: a path or ``hf://owner/name[/file]``.
        output: ends in ``.safetensors`` or ``.pt``.
        backbone: the size, such as ``vit_base``.
        overrides: arguments of the backbone, such as ``--qkv_bias False`` for the published MedDINOv3 weights.
    """
    try:
        network = vit_backbone(backbone, **overrides)
    except (TypeError, ValueError) as error:
        raise InputError(f"no backbone of these settings: {error}") from error
    report = load_backbone_weights(network, source)
    sha256 = write_weights(network.state_dict(), output, {"source": report.source, "source_sha256": report.sha256})
    return f"{report}\nwrote {output}, SHA-256 {sha256}"


def phantom(
    output_dir: str,
    n_ct: int = 16,
    n_mr: int = 4,
    n_val_ct: int = 4,
    n_val_mr: int = 2,
    seed: int = 0,
    num_workers: int = 2,
) -> str:
    """Write a synthetic data set in the layout of AMOS22.

    Args:
        output_dir: a new folder.
        n_ct: CT cases for training.
        n_mr: MR cases for training.
        n_val_ct: CT cases held out.
        n_val_mr: MR cases held out.
        seed: of everything random.
        num_workers: processes that make the cases.
    """
    root = write_phantoms(
        output_dir, n_ct=n_ct, n_mr=n_mr, n_val_ct=n_val_ct, n_val_mr=n_val_mr, seed=seed, num_workers=num_workers
    )
    return str(root)


def build_bundles(*bundles: str) -> list[str]:
    """Merge the YAML layers of bundles into their ``configs/*.json``; without names, of all in ``bundles/``."""
    folders = [Path(name) for name in bundles] or sorted(
        path.parent.parent for path in Path().glob("bundles/*/sources/layers.yaml")
    )
    if not folders:
        raise InputError("no bundles/*/sources/layers.yaml below the working directory: name the bundles' folders")
    return [str(path) for folder in folders for path in build(folder)]


def input_error(error: BaseException) -> InputError | None:
    """The `InputError` behind an exception; MONAI wraps what a component raises."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, InputError):
        link = link.__cause__ or link.__context__
    return link


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; wrong input ends with one line and status 2."""
    commands = {
        "segment": segment,
        "import_weights": import_weights,
        "phantom": phantom,
        "plan": plan,
        "curate": curate,
        "export": export,
        "build": build_bundles,
        "package": package,
        "unpack": unpack,
    }
    try:
        fire.Fire(commands, command=arguments, name="meddino_components")
    except Exception as error:
        found = input_error(error)
        if found is None:
            raise
        print(f"error: {found}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
