"""Frozen encoders on labelled slices: how well probes recognise organs in their patches, compared with controls."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...data.cases.patients import shared_patients
from ...data.volumes.ct_or_mr import Modality
from ...embeddings import FrozenEncoder, for_scans
from ...embeddings.encoders import check_size, encoders_and_controls
from ...errors import InputError
from ...features import FeaturePictures, LabelledSlices
from ...features.labelled_slices import Slices
from ...files import OutputFolder, ResultFiles, writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ...wording import counted
from ..probes.probe import Probe, check_probes
from ..statistics.bootstrap import Bootstrap
from ..statistics.metrics import measure
from ..tables.probe_tables import TABLE_SUFFIXES, plain, write_tables
from ..tables.rows import Row, measured_rows
from .feature_scores import SplitFeatures, patch_scores, probe_scores

logger = logging.getLogger(__name__)

_METRICS, _MAIN = ("organ score", "balanced accuracy", "AUC"), "organ score"


@ends_on_signal("no table was written")
@writes_results(*(f"patches.{suffix}" for suffix in TABLE_SUFFIXES))
def evaluate_patches(
    *,
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    slices: LabelledSlices,
    probes: Sequence[Probe],
    output_dir: str | Path,
    modality: Modality = "ct",
    allow_same_patient: bool = False,
    bootstrap: Bootstrap | None = None,
    pictures: FeaturePictures | None = None,
) -> list[Row]:
    """Score encoders' patches, and by how much they beat random weights and raw pixels.

    Raw pixels are compared by Euclidean distance, since the cosine would discard their brightness. The organ score is
    the mean F1 over the organs that the test slices show. The AUC is a mean over classes; it also shows differences for
    classes too rare ever to be predicted.

    Args:
        encoders: the encoders to evaluate.
        controls: encoders that they have to beat.
        slices: labelled slices for training and test.
        probes: probes that score every encoder; none may read bags.
        output_dir: output folder for ``patches.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``, and for a picture of
            each encoder's features: ``feature_maps.png`` for the first, ``feature_maps_2.png`` and so on.
        modality: modality of the slices, by which they are windowed for encoders trained on pictures.
        allow_same_patient: whether training and test may share patients; the tables then say so.
        bootstrap: settings of the bootstrap over the test slices' units.
        pictures: settings of the pictures of features.

    Returns:
        one row for each encoder or control and each probe; its ``more`` holds its scores of `feature_scores`.

    Raises:
        InputError: there is no encoder or probe, names recur, a probe reads bags, training and test share patients, a
            label is beyond the names, encoders differ in patch size or do not take the slices' size, ``output_dir``
            holds a file of the user's or is used by another process, or matplotlib is not installed.
    """
    require_matplotlib("the pictures of the scores")
    check_probes(probes, has_bags=False)
    everyone = encoders_and_controls(encoders, controls)
    _check_patches(everyone)
    OutputFolder(output_dir).check([_sheet_name(number) for number, _ in enumerate(encoders, start=1)])
    train_slices = slices.train or ()
    shared = _shared_patients(train_slices, slices.test, allowed=allow_same_patient)
    size_px = int(slices.test[0]["image"].shape[-1])
    for encoder in everyone:
        check_size(encoder, size_px)
    features = {encoder.name: _features(slices, encoder, modality) for encoder in everyone}
    # the same for all encoders
    _, truth, units = features[everyone[0].name].test.labelled_patches()
    resamples = (bootstrap or Bootstrap()).resample(units)
    measured: dict[tuple[str, str], dict[str, Tensor]] = {}
    more = {}
    for probe in probes:
        for name, of_encoder in features.items():
            scores = patch_scores(probe, of_encoder)
            measured[name, probe.name] = measure(scores, truth, resamples, _METRICS)
            more[name, probe.name] = probe_scores(probe, scores, of_encoder)
    rows = measured_rows(measured, [control.name for control in controls], main=_MAIN, more=more)
    facts = {
        "set": "patches of labelled slices",
        "size_px": size_px,
        "classes": list(slices.label_names),
        "samples": {"train": len(train_slices), "test": len(slices.test)},
        # those with a labelled patch
        "units": resamples.n_units,
        "unit": "slabs",
        "shown_by": resamples.shown_by(truth[:, None] == torch.arange(slices.n_classes), slices.label_names),
        "within_one_patient": bool(shared),
    }
    folder = Path(output_dir)
    heading = write_tables(folder, "patches", rows, facts, main=_MAIN)
    logger.info("%s\n%s", heading, plain(rows, main=_MAIN))
    pictures = pictures or FeaturePictures()
    for number, encoder in enumerate(encoders if pictures.n_pictures else (), start=1):
        with ResultFiles() as files:
            path = files.path(folder / _sheet_name(number))
            pictures.draw(path, slices.test, features[encoder.name].test, title=encoder.name)
    return rows


def _features(slices: LabelledSlices, encoder: FrozenEncoder, modality: Modality) -> SplitFeatures:
    found = slices.encode(for_scans(encoder, modality=modality), patch_size=encoder.patch_size)
    if found.training is None:
        raise InputError("there are no slices from which probes could learn: give train slices")
    return SplitFeatures(training=found.training, test=found.test, n_classes=slices.n_classes, metric=encoder.metric)


def _check_patches(encoders: Sequence[FrozenEncoder]) -> None:
    """Raise InputError if encoders do not divide slices into the same patches."""
    if len({encoder.patch_size for encoder in encoders}) > 1:
        found = ", ".join(f"{encoder.name} {encoder.patch_size}" for encoder in encoders)
        raise InputError(
            f"patches are of several sizes in pixels: {found}. Scores of patches can only be compared between encoders "
            "of one patch size: choose such encoders, and raw_pixels of the same size"
        )


def _shared_patients(train_slices: Slices, test_slices: Slices, *, allowed: bool) -> list[str]:
    """Patients in both training and test; raises InputError if there are any and that is not allowed."""
    shared = shared_patients(*([{"case_id": "?", **item} for item in slices] for slices in (train_slices, test_slices)))
    if shared and not allowed:
        raise InputError(
            f"{counted(len(shared), 'patient')} with slices in both training and test, such as {shared[0]}: the probes "
            "would be scored on patients that they were trained on. Split by patient, or set allow_same_patient to "
            "true: the tables are then marked as those within one patient"
        )
    return shared


def _sheet_name(number: int) -> str:
    """File name of an encoder's picture; numbers begin with 1."""
    return "feature_maps.png" if number == 1 else f"feature_maps_{number}.png"
