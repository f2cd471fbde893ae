"""``python -m meddino_components``: thin commands over the components and the bundles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fire

from .bundle import build, package, segment, unpack
from .checkpoints import backbone_of, describe_architecture, load_backbone_weights, write_weights
from .data import curate, list_series, plan, write_phantoms
from .errors import InputError
from .export import export
from .figures import figure_checkpoints, figure_resolutions, figure_similarity


def series(folder: str) -> str:
    """List the DICOM series of a folder: UID, modality, number and size of slices, spacing; no names or descriptions.

    Args:
        folder: its files are looked at, not those of folders below.
    """
    found = list_series(folder)
    if not found:
        raise InputError(f"{folder}: holds no DICOM image")
    return "\n".join(one.describe() for one in found)


def import_weights(source: str, output: str, backbone: str | None = None) -> str:
    """Convert a backbone's weights of any known format to this project's safetensors.

    Args:
        source: a path, a known encoder such as ``meddinov3-b``, or ``hf://owner/name[@revision][/file]``.
        output: ends in ``.safetensors`` or ``.pt``.
        backbone: what the weights are expected to be, such as ``vit_base``; others are refused.
    """
    network = backbone_of(weights=source, name=backbone)
    report = load_backbone_weights(network, source)
    facts = {"source": report.source, "source_sha256": report.sha256, "architecture": describe_architecture(network)}
    sha256 = write_weights(network.state_dict(), output, facts)
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
        "series": series,
        "import_weights": import_weights,
        "phantom": phantom,
        "plan": plan,
        "curate": curate,
        "export": export,
        "figure": {
            "resolutions": figure_resolutions,
            "similarity": figure_similarity,
            "checkpoints": figure_checkpoints,
        },
        "build": build_bundles,
        "package": package,
        "unpack": unpack,
    }
    try:
        result = fire.Fire(commands, command=arguments, name="meddino_components", serialize=_to_print)
    except Exception as error:
        found = input_error(error)
        if found is None:
            raise
        print(f"error: {found}", file=sys.stderr)
        raise SystemExit(2) from None
    if _is_summary(result) and result["failed"]:
        raise SystemExit(1)


def _is_summary(result: Any) -> bool:
    return isinstance(result, dict) and "failed" in result


def _to_print(result: Any) -> Any:
    """What a command returns, but for a run's summary, which is printed at its end."""
    return None if _is_summary(result) else result


if __name__ == "__main__":
    main()
