"""Write an exported file, run it, and keep it only if its logits match the original network's."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..checkpoints import WeightsRecord
from ..errors import InputError
from ..files import ResultFiles, check_results, sha256_of, write_text
from ..networks import MedDinoSegmenter
from .agreement import Agreement, compare
from .exported_network import ExportedNetwork
from .formats import write_exported
from .program import export_program

_CHECKED_BATCHES = (1, 2)


def write_checked(
    network: MedDinoSegmenter,
    path: Path,
    record: WeightsRecord,
    *,
    roi_size: tuple[int, int],
    tolerance: float,
    independent: bool = False,
) -> list[Agreement]:
    """Export a network, run the file, and keep it, with ``<path>.json`` and ``.sha256``, if both agree.

    Args:
        network: network on the CPU.
        path: path of the file, which ends in .onnx or .pt2.
        record: record to store in the file, with its ``export`` entry.
        roi_size: window size in use; the check uses this and a smaller size with another aspect ratio, with one and two
            slices each.
        tolerance: largest allowed difference of logits, as a share of the largest logit.
        independent: whether outputs may overlap, see `compare`.

    Raises:
        InputError: the networks disagree, the file cannot be written, or it would replace one that may not be replaced.
            An existing file stays unchanged.
    """
    shapes = _checked_shapes(network, roi_size)
    record_path = Path(f"{path}.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sidecar_path = Path(f"{path}.sha256")
        check_results([path, record_path, sidecar_path])
        with ResultFiles() as files:
            partial, report, sidecar = (files.path(item) for item in (path, record_path, sidecar_path))
            write_exported(export_program(network), partial, record)
            sha256 = sha256_of(partial)
            exported = ExportedNetwork(source=partial, sha256=sha256)
            checks = compare(network, exported, shapes, independent=independent)
            worst = max(checks, key=lambda check: check.relative_difference)
            if worst.relative_difference > tolerance:
                raise InputError(
                    f"{path}: not written, as the exported network differs from the original. {worst}; expected at "
                    f"most {tolerance:g} of the largest logit (--tolerance)"
                )
            facts = {
                "file": path.name,
                "sha256": sha256,
                "bundle": record.bundle,
                "record_id": record.id,
                **(record.export or {}),
                "tolerance": tolerance,
                "checks": [asdict(check) for check in checks],
            }
            write_text(sidecar, f"{sha256}  {path.name}\n")
            write_text(report, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error}). Give a file in a writable folder") from error
    return checks


def _checked_shapes(network: MedDinoSegmenter, roi_size: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return shapes with the window in use, and with a smaller one of another aspect ratio."""
    patch_size = network.backbone.patch_size
    height, width = (max(2, side // patch_size) for side in roi_size)
    grids = [(height, width), (max(2, height // 2), max(3, 3 * width // 4))]
    channels = network.stem.in_channels
    return [(b, channels, h * patch_size, w * patch_size) for h, w in grids for b in _CHECKED_BATCHES]
