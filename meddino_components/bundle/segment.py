"""A bundle's inference configuration, run from Python or the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import run

from ..checkpoints import check_stated_sha256, resolve
from ..errors import InputError, unwrapped
from ..inference.model import paths_of
from .choice import choose_bundle
from .contents import check_what_runs
from .root import config_files
from .verbatim import wrap

# of files that hold an exported network, which the overlay inference_exported puts in the network's place
EXPORTED_SUFFIXES = (".onnx", ".pt2")


def segment(
    source: str | Path | Sequence[str | Path],
    output_dir: str | Path,
    bundle: str | Path | None = None,
    modality: str | None = None,
    model: str | Path | Sequence[str | Path] | None = None,
    overlay_config: str | None = None,
    skip_existing: bool = False,
    overwrite: bool = False,
    series_uid: str | Sequence[str] | None = None,
    gantry_tilt: str | None = None,
    uneven_slices: str | None = None,
    spacing_mm: Sequence[float] | None = None,
    dicom_seg: bool = False,
    model_sha256: str | None = None,
    postprocess: bool = True,
) -> dict[str, Any]:
    """Segment a volume, a case of several sequences, or all of a folder, with a bundle's inference configuration.

    Args:
        source: a NIfTI, NRRD or MetaImage file, the folder of a DICOM series, a folder of these, or a list of them,
            ``"['a.nii.gz','b.nii.gz']"``; for meddinov3_seg_brats the sequences of a case, in any order, or a ``.json``
            data list.
        output_dir: folder for ``<case>.nii.gz``, ``<case>.json``, ``<case>.png`` and a summary.
        bundle: name or folder of the bundle, such as meddinov3_seg_brats; by default the bundle that the weights name,
            otherwise meddinov3_seg_amos.
        modality: ``ct`` or ``mr``; required unless DICOM files or the bundle state it, and never guessed.
        model: weights, or an exported ``.onnx`` or ``.pt2`` file; by default the bundle's ``models/model.pt``. The
            settings come from the record in the file. Several weights, ``"['fold0.pt','fold1.pt']"``, segment together:
            their class probabilities are averaged.
        overlay_config: a second configuration, such as ``laptop``, for weights without a record.
        skip_existing: skip cases that were already segmented with these weights and settings.
        overwrite: also replace results that were edited since. Your own files are never replaced.
        series_uid: UID of the series to take from a DICOM folder with several (``series FOLDER`` lists them).
        gantry_tilt: ``resample`` interpolates tilted DICOM series onto a rectangular grid.
        uneven_slices: ``even`` treats nearly evenly spaced DICOM slices as evenly spaced.
        spacing_mm: spacing along the stored axes, such as ``[0.8,0.8,5]``, for files whose header has none.
        dicom_seg: for DICOM input also write a DICOM SEG, ``<case>.dcm``; it contains the patient's name and ids.
        model_sha256: SHA-256 of ``model`` as its source states it; required for a ``.pt2`` file, which can run code.
        postprocess: apply the post-processing in the record of the weights, if it has any; ``--nopostprocess`` leaves
            the labels as the network predicts them.

    Returns:
        The summary: numbers of cases "ok", "failed" and "skipped", and "cases", each with the reason of a failure.

    Raises:
        InputError: the bundle, the weights or the source cannot be used, or a setting contradicts the
            weights' record. What is wrong with one case is in the summary.
    """
    models = paths_of(model) if model else []
    exported = [one for one in models if Path(one).suffix in EXPORTED_SUFFIXES]
    if len(models) > 1 and (exported or model_sha256):
        found = f"{exported[0]}: is an exported file" if exported else "model_sha256 is set"
        raise InputError(f"{found}, but --model lists {len(models)} networks; expected weights of training: give those")
    root = choose_bundle(bundle, models or None)
    names = ["inference", *([overlay_config] if overlay_config else [])]
    if exported:
        names.append("inference_exported")
    files = config_files(root, *names)
    check_what_runs(root, map(Path, files))
    if model_sha256 or "inference_exported" in names:
        check_stated_sha256(resolve(models[0] if models else root / "models" / "model.pt"), model_sha256)
    given = {
        "dataset_dir": source if isinstance(source, (str, Path)) else list(source),
        "output_dir": output_dir,
        "modality": modality,
        "model_path": models if len(models) > 1 else models[0] if models else None,
        "series_uid": series_uid,
        "gantry_tilt": gantry_tilt,
        "uneven_slices": uneven_slices,
        "spacing_mm": None if spacing_mm is None else list(spacing_mm),
        "dicom_seg": dicom_seg or None,
        "postprocess": None if postprocess else False,
        "model_sha256": model_sha256 if "inference_exported" in names else None,
    }
    try:
        with unwrapped():
            run(
                config_file=files,
                skip_existing=skip_existing,
                overwrite=overwrite,
                **wrap({key: value for key, value in given.items() if value is not None}),
            )
    except SystemExit as end:
        if end.code != 1:  # 1: a case failed, and the summary says which
            raise
    summary: dict[str, Any] = json.loads((Path(output_dir) / "summary.json").read_text(encoding="utf-8"))
    return summary
