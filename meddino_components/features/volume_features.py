"""Features of volumes in files: the tokens of every slice, and a picture of some slices."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data.utils import pickle_hashing
from monai.transforms import Compose
from safetensors import safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from ..embeddings import backbone_encoder
from ..embeddings.encoders import network_settings, weights_digest
from ..errors import InputError
from ..files import OutputFolder, ResultFiles, is_unchanged
from ..inference.case_record import source_digest
from ..interruption import ends_on_signal
from ..networks import DinoVisionTransformer
from ..pictures.blank_figure import require_matplotlib
from ..pictures.slice_choice import evenly_spaced
from .feature_map_sheet import write_feature_maps
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
    """Write ``<case_id>.safetensors`` and ``<case_id>.png`` for each case; a failing case does not stop the others.

    The file has ``cls`` [S, D] and ``patches`` [S, rows, columns, D] in float16 for the S slices from the lowest up,
    and in its metadata the case, the side of a slice in pixels and that of a patch. Slices are brought to a square as
    `ReferenceSlices` does.

    Args:
        backbone: encoder with its weights, on its device.
        cases: cases with ``image``, ``case_id`` and whatever else ``preprocessing`` reads.
        preprocessing: transforms of a case, see `ReferenceSlices`.
        output_dir: output folder, created if missing.
        size_px: side of a slice in pixels; larger slices give finer features.
        batch_size: number of slices encoded at once.
        n_pictures: number of slices to draw for each case, evenly spaced; 0 draws none.
        skip_existing: whether to skip cases with a complete file from this network, size and scan.

    Returns:
        ``case_id: reason`` for each case that failed.

    Raises:
        InputError: there is no case, a file of the user's would be replaced, or another process writes to the folder.
    """
    if n_pictures:
        require_matplotlib("feature maps", otherwise="set n_pictures to 0")
    if not cases:
        raise InputError("there is no case to run: the data list is empty")
    folder = Path(output_dir)
    targets = [folder / f"{case['case_id']}.safetensors" for case in cases]
    recipe = _recipe(backbone, preprocessing, size_px)
    made_of = [hashlib.sha256(f"{recipe}/{source_digest(case)}".encode()).hexdigest() for case in cases]
    failed = []
    with OutputFolder(folder).held() as output:
        done = [skip_existing and _is_made_of(*each) for each in zip(targets, made_of, strict=True)]
        waiting = [number for number, is_done in enumerate(done) if not is_done]
        suffixes = (".safetensors", ".png") if n_pictures else (".safetensors",)
        output.check([targets[number].with_suffix(suffix).name for number in waiting for suffix in suffixes])
        for number in tqdm(waiting, desc="features", unit="case"):
            case = cases[number]
            try:
                read = ReferenceSlices(data=[case], preprocessing=preprocessing, size_px=size_px)
                slices = [read[k] for k in range(len(read))]
                _write_case(backbone.eval(), slices, targets[number], made_of[number], batch_size, n_pictures)
            except Exception as error:
                failed.append(f"{case['case_id']}: {error}")
                logger.error("%s: failed: %s", case["case_id"], error)
    logger.info("%d of %d cases written to %s", len(cases) - len(failed), len(cases), folder)
    return failed


def _recipe(backbone: DinoVisionTransformer, preprocessing: Compose, size_px: int) -> str:
    """Text that changes with everything that affects features, except the scan."""
    transforms = b"".join(pickle_hashing(transform) for transform in preprocessing.transforms)
    return weights_digest(backbone, extra=f"{network_settings(backbone)}/{size_px}/{transforms.hex()}")


def _is_made_of(target: Path, made_of: str) -> bool:
    """Return whether the file is complete and was made from this network, size and scan."""
    if not is_unchanged(target):
        return False
    with safe_open(target, "pt") as file:
        return (file.metadata() or {}).get("made_of") == json.dumps(made_of)


def _write_case(
    backbone: DinoVisionTransformer,
    slices: Sequence[Mapping[str, Any]],
    target: Path,
    made_of: str,
    batch_size: int,
    n_pictures: int,
) -> None:
    encoder = backbone_encoder(backbone)
    features = extract_features(encoder, slices, patch_size=backbone.patch_size, batch_size=batch_size)
    tensors = {
        "cls": features.cls.to(torch.float16).contiguous(),
        "patches": features.patches.unflatten(1, features.grid).to(torch.float16).contiguous(),
    }
    facts = {
        "case_id": target.stem,
        "size_px": slices[0]["image"].shape[-1],
        "patch_size": backbone.patch_size,
        "made_of": made_of,
    }
    with ResultFiles() as files:
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
