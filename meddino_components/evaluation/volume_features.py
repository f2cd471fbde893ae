"""The features of volumes as files: every slice's tokens, and a picture of some."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Compose
from safetensors.torch import save_file
from tqdm import tqdm

from ..atomic_files import AtomicFiles
from ..embeddings import backbone_encoder
from ..errors import InputError
from ..interruption import ends_on_signal
from ..networks import DinoVisionTransformer
from .feature_map_sheet import evenly_spaced, write_feature_maps
from .patch_features import extract_features
from .reference_slices import ReferenceSlices

logger = logging.getLogger(__name__)


@ends_on_signal("finished volumes stay, --skip_existing True goes on with the others")
def write_volume_features(
    *,
    backbone: DinoVisionTransformer,
    cases: Sequence[Mapping[str, Any]],
    preprocessing: Compose,
    output_dir: str | Path,
    size_px: int,
    batch_size: int = 8,
    n_pictures: int = 4,
    skip_existing: bool = False,
) -> list[str]:
    """Write ``<case_id>.safetensors`` and ``<case_id>.png`` for each case; one that fails does not stop the others.

    The file holds ``cls`` [S, D] and ``patches`` [S, rows, columns, D] in float16 for the S slices from the lowest up,
    and in its metadata the case, the side of a slice in pixels and that of a patch. Slices are brought to a square as
    `ReferenceSlices` does.

    Args:
        backbone: weights loaded, on its device.
        cases: ``image``, ``case_id`` and what else ``preprocessing`` reads.
        preprocessing: see `ReferenceSlices`.
        output_dir: made where it is missing.
        size_px: side of a slice; the longer it is, the finer the features.
        batch_size: slices encoded at once.
        n_pictures: slices drawn for each case, evenly spaced; 0 draws none.
        skip_existing: pass over cases whose file is there.

    Returns:
        ``case_id: reason`` for the cases that failed.

    Raises:
        InputError: there is no case.
    """
    if not cases:
        raise InputError("there is no case to run: the data list is empty")
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for case in tqdm(cases, desc="features", unit="case"):
        target = folder / f"{case['case_id']}.safetensors"
        if skip_existing and target.exists():
            continue
        try:
            read = ReferenceSlices(data=[case], preprocessing=preprocessing, size_px=size_px)
            slices = [read[k] for k in range(len(read))]
            _write_case(backbone.eval(), slices, target, batch_size, n_pictures)
        except Exception as error:
            failed.append(f"{case['case_id']}: {error}")
            logger.error("%s: failed: %s", case["case_id"], error)
    logger.info("%d of %d cases written to %s", len(cases) - len(failed), len(cases), folder)
    return failed


def _write_case(
    backbone: DinoVisionTransformer,
    slices: Sequence[Mapping[str, Any]],
    target: Path,
    batch_size: int,
    n_pictures: int,
) -> None:
    encoder = backbone_encoder(backbone)
    features = extract_features(encoder, slices, patch_size=backbone.patch_size, batch_size=batch_size)
    tensors = {
        "cls": features.cls.to(torch.float16).contiguous(),
        "patches": features.patches.unflatten(1, features.grid).to(torch.float16).contiguous(),
    }
    facts = {"case_id": target.stem, "size_px": slices[0]["image"].shape[-1], "patch_size": backbone.patch_size}
    with AtomicFiles() as files:
        save_file(tensors, files.path(target), {name: json.dumps(value) for name, value in facts.items()})
        if n_pictures:
            chosen = evenly_spaced(len(slices), n_pictures)
            write_feature_maps(
                files.path(target.with_suffix(".png")),
                slices=[slices[k] for k in chosen],
                patches=features.patches[chosen],
                grid=features.grid,
                title=target.stem,
            )
