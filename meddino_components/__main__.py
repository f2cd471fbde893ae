"""``python -m meddino_components``: thin commands over the components and the bundles."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .bundle import build, package, segment, unpack, write_settings_page
from .checkpoints import (
    WeightsRecord,
    backbone_of,
    describe_network,
    load_backbone_weights,
    parent_of,
    write_weights,
)
from .command_line import dispatch
from .data import curate, describe_series, plan, write_phantoms
from .errors import InputError
from .export import export
from .figures import figure_checkpoints, figure_resolutions, figure_similarity
from .last_line import STATUS, print_last_line
from .software import software_versions


def series(folder: str) -> str:
    """List the DICOM series of a folder: UID, files, modality, slices, spacing; no names or descriptions.

    Args:
        folder: searched with all folders below.
    """
    return "\n".join(describe_series(folder))


def import_weights(source: str, output: str, backbone: str | None = None) -> str:
    """Convert a backbone's weights of any known format to this project's safetensors.

    Args:
        source: a path, a known encoder such as ``meddinov3-b``, or ``hf://owner/name[@revision][/file]``.
        output: ends in ``.safetensors`` or ``.pt``.
        backbone: what the weights are expected to be, such as ``vit_base``; others are refused.
    """
    network = backbone_of(weights=source, name=backbone)
    report = load_backbone_weights(network, source)
    parent = parent_of(report.source, report.sha256, "encoder")
    record = WeightsRecord(
        architecture=describe_network(network),
        parents=(parent.facts,),
        licences=parent.licences,
        software=software_versions(),
    )
    sha256 = write_weights(network.state_dict(), output, record=record)
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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names that its encoding lacks are no reason to fail
    words = sys.argv[1:] if arguments is None else arguments
    try:
        result = dispatch(commands, words, name="meddino_components", serialize=_to_print)
    except Exception as error:
        if not print_last_line(error):
            raise
        raise SystemExit(STATUS) from None
    if _is_summary(result) and result["failed"]:
        raise SystemExit(1)


def _is_summary(result: Any) -> bool:
    return isinstance(result, dict) and "failed" in result


def _to_print(result: Any) -> Any:
    """What a command returns, but for a run's summary, which is printed at its end; any file name can be printed."""
    if isinstance(result, (str, Path)):
        return str(result).encode("utf-8", "backslashreplace").decode("utf-8")
    return None if _is_summary(result) else result


if __name__ == "__main__":
    main()
