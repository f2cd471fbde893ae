"""Frozen encoders on labelled slices: what k-NN and a linear probe find in their patches, beside controls."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...data.cases.patients import shared_patients
from ...data.volumes.intensity import Modality
from ...embeddings import FrozenEncoder, for_scans
from ...embeddings.encoders import check_size, encoders_and_controls
from ...errors import InputError
from ...features.feature_map_sheet import write_feature_maps
from ...features.patch_features import SliceFeatures, extract_features
from ...files import OutputFolder, ResultFiles, writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ...pictures.slice_choice import evenly_spaced
from ..statistics.resampling import units_that_show
from ..tables.probe_tables import TABLE_SUFFIXES, Row, plain, write_tables
from .patch_rows import SplitFeatures, patch_rows

logger = logging.getLogger(__name__)


@ends_on_signal("no table was written")
@writes_results(*(f"patches.{suffix}" for suffix in TABLE_SUFFIXES))
def evaluate_patches(
    *,
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    train_slices: Sequence[Mapping[str, Any]],
    test_slices: Sequence[Mapping[str, Any]],
    label_names: Sequence[str],
    output_dir: str | Path,
    modality: Modality = "ct",
    allow_same_patient: bool = False,
    n_neighbours: int = 20,
    l2: float = 1.0,
    min_purity: float = 0.5,
    include_background: bool = False,
    batch_size: int = 8,
    n_resamples: int = 10_000,
    seed: int = 0,
    n_pictures: int = 4,
    n_points: int = 3,
    window: tuple[float, float] | None = None,
) -> list[Row]:
    """Score encoders' patches, and by how much they beat random weights and raw pixels.

    The controls are as strong as they can be made simply: raw pixels are compared by Euclidean distance, since the
    cosine would throw their brightness away. The organ score is the mean F1 over organs that the test slices show, the
    AUC the mean over classes, for what is too rare to win a vote.

    Args:
        encoders: the ones in question.
        controls: what they have to beat.
        train_slices: slices from which the probes learn, see `ReferenceSlices`.
        test_slices: held-out slices.
        label_names: of the classes by number, background first.
        output_dir: gets ``patches.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``, and a picture of each encoder's
            features, ``feature_maps.png`` of the first.
        modality: of the slices, for encoders that were trained on pictures.
        allow_same_patient: let slices of one case be on both sides; the tables are then marked.
        n_neighbours: of k-NN.
        l2: of the linear probe.
        min_purity: share of a patch that its class has to fill.
        include_background: let probes learn and find background, too.
        batch_size: slices encoded at once.
        n_resamples: of the bootstrap over the test slices' units.
        seed: of the bootstrap.
        n_pictures: test slices drawn, evenly spaced; 0 draws none.
        n_points: points of cosine similarity in each.
        window: (low, high) grey window of the pictures; None is taken from the slices.

    Returns:
        a row for each encoder or control, and probe; ``more`` of each is its part of `feature_scores`.

    Raises:
        InputError: no encoder, names of encoders that recur, cases on both sides, a label beyond the names, patches
            of several sizes, slices of a size that an encoder does not take, a file of the user's or another process in
            ``output_dir``, or matplotlib is not installed.
        ValueError: fewer than two test units with an organ.
    """
    require_matplotlib("the pictures of the scores")
    everyone = encoders_and_controls(encoders, controls)
    _check_patches(everyone)
    OutputFolder(output_dir).check([_sheet_name(number) for number, _ in enumerate(encoders, start=1)])
    shared = _shared_patients(train_slices, test_slices, allowed=allow_same_patient)
    size_px = int(test_slices[0]["image"].shape[-1])
    for encoder in everyone:
        check_size(encoder, int(train_slices[0]["image"].shape[-1]))
    labelling: dict[str, Any] = {
        "n_classes": len(label_names),
        "min_purity": min_purity,
        "include_background": include_background,
    }

    def features(encoder: FrozenEncoder, slices: Sequence[Mapping[str, Any]]) -> SliceFeatures:
        encode, patch_size = for_scans(encoder, modality=modality), encoder.patch_size
        return extract_features(encode, slices, patch_size=patch_size, batch_size=batch_size, **labelling)

    found = {e.name: SplitFeatures(features(e, train_slices), features(e, test_slices)) for e in everyone}
    rows = patch_rows(
        found,
        encoders,
        controls,
        n_classes=len(label_names),
        n_neighbours=n_neighbours,
        l2=l2,
        n_resamples=n_resamples,
        seed=seed,
    )
    folder = Path(output_dir)
    _, labels, units = found[everyone[0].name].test.labelled_patches()
    shown = units_that_show(labels[:, None] == torch.arange(len(label_names)), units)
    facts = {
        "set": "patches of labelled slices",
        "size_px": size_px,
        "classes": list(label_names),
        "samples": {"train": len(train_slices), "test": len(test_slices)},
        # those with a labelled patch
        "units": len(units.unique()),
        "unit": "slabs",
        "shown_by": dict(zip(label_names, shown.tolist(), strict=True)),
        "within_one_patient": bool(shared),
    }
    heading = write_tables(folder, "patches", rows, facts, main="organ score")
    logger.info("%s\n%s", heading, plain(rows, main="organ score"))
    if n_pictures:
        maps: dict[str, Any] = {"n_pictures": n_pictures, "n_points": n_points, "window": window}
        _draw_features(folder, test_slices, {encoder.name: found[encoder.name].test for encoder in encoders}, **maps)
    return rows


def _check_patches(encoders: Sequence[FrozenEncoder]) -> None:
    """Raises InputError where encoders do not cut slices into the same patches."""
    if len({encoder.patch_size for encoder in encoders}) > 1:
        found = ", ".join(f"{encoder.name} {encoder.patch_size}" for encoder in encoders)
        raise InputError(
            f"patches are of several sizes in pixels: {found}. Scores of patches can be compared where all encoders "
            "cut slices alike: choose encoders of one patch size, and raw_pixels of the same"
        )


def _shared_patients(
    train_slices: Sequence[Mapping[str, Any]], test_slices: Sequence[Mapping[str, Any]], *, allowed: bool
) -> list[str]:
    """Patients on both sides. Raises InputError where there are any and that is not allowed."""
    shared = shared_patients(*([{"case_id": "?", **item} for item in slices] for slices in (train_slices, test_slices)))
    if shared and not allowed:
        raise InputError(
            f"{len(shared)} patients have slices in training and test, such as {shared[0]}: the probes would be "
            "scored on patients that they were trained on. Split by patient, or set allow_same_patient to true: the "
            "tables are then marked as those within one patient"
        )
    return shared


def _draw_features(
    folder: Path,
    slices: Sequence[Mapping[str, Any]],
    features: Mapping[str, SliceFeatures],
    *,
    n_pictures: int,
    n_points: int,
    window: tuple[float, float] | None,
) -> None:
    """A sheet of some slices for each encoder, by name."""
    chosen = evenly_spaced(len(slices), n_pictures)
    for number, (name, found) in enumerate(features.items(), start=1):
        with ResultFiles() as files:
            write_feature_maps(
                files.path(folder / _sheet_name(number)),
                slices=[slices[k] for k in chosen],
                patches=found.patches[chosen],
                grid=found.grid,
                title=name,
                n_points=n_points,
                window=window,
            )


def _sheet_name(number: int) -> str:
    """Of the features of an encoder; numbers begin with 1."""
    return "feature_maps.png" if number == 1 else f"feature_maps_{number}.png"
