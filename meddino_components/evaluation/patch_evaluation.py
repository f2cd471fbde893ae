"""Frozen encoders on labelled slices: what k-NN and a linear probe find in their patches, beside controls."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..data.intensity import Modality
from ..embeddings import FrozenEncoder, for_scans
from ..embeddings.encoders import check_size
from ..errors import InputError
from .classification_scores import BootstrappedScores
from .feature_map_sheet import evenly_spaced, write_feature_maps
from .feature_scores import both_probes, nearest_neighbour_probe, patch_scores, probe_scores
from .paired_bootstrap import bootstrap, paired_bootstrap
from .patch_features import SliceFeatures, extract_features
from .probe_metrics import Score, balanced_accuracy, count_classes, organ_score
from .score_tables import Row, plain, write_tables

logger = logging.getLogger(__name__)

_SCORES: dict[str, Score] = {"organ score": organ_score, "balanced accuracy": balanced_accuracy}
_CURVES = 1000  # resamples at most


def _truth_and_units(slices: SliceFeatures) -> tuple[Tensor, Tensor]:
    """Labels [N] and numbers of the units [N], from 0, of the labelled patches: the same under every encoder."""
    _, labels, units = slices.labelled_patches()
    return labels, units.unique(return_inverse=True)[1]


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
        a row for each encoder or control, and probe; with ``scores``, `feature_scores` of the encoder.

    Raises:
        InputError: names of encoders that recur, cases on both sides, a label beyond the names; slices of a
            size that an encoder does not take; matplotlib is not
            installed but pictures are wanted.
        ValueError: fewer than two test units with an organ.
    """
    everyone = [*encoders, *controls]
    names = [encoder.name for encoder in everyone]
    if not encoders or len(set(names)) < len(names):
        raise InputError(f"encoders are {names}; expected at least one, and a name of its own for each")
    shared = {str(s.get("case_id")) for s in train_slices} & {str(s.get("case_id")) for s in test_slices}
    if shared and not allow_same_patient:
        raise InputError(
            f"{len(shared)} cases have slices in training and test, such as {sorted(shared)[0]}: the probes would be "
            "scored on patients that they were trained on. Split by patient, or set allow_same_patient to true: the "
            "tables are then marked as those within one patient"
        )
    for encoder in everyone:
        check_size(encoder, int(train_slices[0]["image"].shape[-1]))
    n_classes = len(label_names)

    def features(encoder: FrozenEncoder) -> tuple[SliceFeatures, SliceFeatures]:
        training, test = (
            extract_features(
                for_scans(encoder, modality=modality),
                slices,
                patch_size=encoder.patch_size,
                n_classes=n_classes,
                min_purity=min_purity,
                include_background=include_background,
                batch_size=batch_size,
            )
            for slices in (train_slices, test_slices)
        )
        return training, test

    found = {encoder.name: features(encoder) for encoder in everyone}
    rows = []
    truth, units = _truth_and_units(found[names[0]][1])
    resampled: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    # of the area under the curve, whose resamples cost more than those of counts
    curves = BootstrappedScores(truth, units, n_resamples=min(n_resamples, _CURVES), seed=seed)
    for probe_name, probe in both_probes(n_neighbours=n_neighbours, l2=l2).items():
        by_distance = nearest_neighbour_probe(n_neighbours=n_neighbours, metric="euclidean", weights="distance")
        counts, aucs = {}, {}
        for encoder in everyone:
            used = by_distance if probe_name == "knn" and encoder.metric == "euclidean" else probe
            scores = patch_scores(used, *found[encoder.name], n_classes=n_classes)
            counts[encoder.name] = count_classes(scores.argmax(1), truth, n_classes=n_classes, units=units)
            aucs[encoder.name] = curves.interval(curves.metrics(scores)["AUC"])
        for encoder in everyone:
            own = counts[encoder.name]
            of_counts = {name: bootstrap(own, score=score, **resampled) for name, score in _SCORES.items()}
            rows.append(
                Row(
                    encoder=encoder.name,
                    is_control=encoder in controls,
                    probe=probe_name,
                    scores={**of_counts, "AUC": aucs[encoder.name]},
                    gains={
                        control.name: paired_bootstrap(own, counts[control.name], score=organ_score, **resampled)
                        for control in controls
                        if control is not encoder
                    },
                    more=probe_scores(probe_name, probe, own, *found[encoder.name], n_classes=n_classes),
                )
            )
    folder = Path(output_dir)
    facts = {
        "set": "patches of labelled slices",
        "size_px": int(test_slices[0]["image"].shape[-1]),
        "classes": list(label_names),
        "samples": {"train": len(train_slices), "test": len(test_slices)},
        # those with a labelled patch
        "units": curves.n_units,
        "unit": "slabs",
        "within_one_patient": bool(shared),
    }
    heading = write_tables(folder, "patches", rows, facts, main="organ score")
    logger.info("%s\n%s", heading, plain(rows, main="organ score"))
    if n_pictures:
        chosen = evenly_spaced(len(test_slices), n_pictures)
        for number, encoder in enumerate(encoders):
            test = found[encoder.name][1]
            write_feature_maps(
                folder / ("feature_maps.png" if number == 0 else f"feature_maps_{number + 1}.png"),
                slices=[test_slices[k] for k in chosen],
                patches=test.patches[chosen],
                grid=test.grid,
                title=encoder.name,
                n_points=n_points,
                window=window,
            )
    return rows
