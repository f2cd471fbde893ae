"""Encoders against controls on the labelled patches of held-out slices: scores, intervals and gains.

Shapes: N labelled patches of the test slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...embeddings import FrozenEncoder
from ...features.patch_features import SliceFeatures
from ..probes.probe import both_probes
from ..statistics.class_counts import ClassCounts, Score, balanced_accuracy, count_classes, organ_score
from ..statistics.intervals import Interval
from ..statistics.paired_bootstrap import bootstrap, paired_bootstrap
from ..statistics.scores_bootstrap import BootstrappedScores
from ..tables.probe_tables import Row
from .feature_scores import patch_scores, probe_scores

_SCORES: dict[str, Score] = {"organ score": organ_score, "balanced accuracy": balanced_accuracy}
_CURVES = 1000  # resamples at most


class SplitFeatures(NamedTuple):
    """Of one encoder: the slices from which probes learn, and those on which they are scored."""

    training: SliceFeatures
    test: SliceFeatures


class _Measured(NamedTuple):
    """One encoder under one probe; the counts are of the units."""

    counts: ClassCounts
    auc: Interval
    more: Mapping[str, float]


def patch_rows(
    features: Mapping[str, SplitFeatures],
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    *,
    n_classes: int,
    n_neighbours: int = 20,
    l2: float = 1.0,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> list[Row]:
    """A row for each probe, and encoder or control.

    Args:
        features: by the encoder's or control's name, of the same slices with the same labels.
        encoders: the ones in question.
        controls: what they have to beat.
        n_classes: with background.
        n_neighbours: of k-NN.
        l2: of the linear probe.
        n_resamples: of the bootstrap over the test slices' units; the AUC takes 1000 at most.
        seed: of the bootstrap.

    Raises:
        ValueError: no labelled patch, or fewer than two test units with one.
    """
    everyone = [*encoders, *controls]
    # the same under every encoder
    _, truth, units = features[everyone[0].name].test.labelled_patches()
    units = units.unique(return_inverse=True)[1]
    # of the area under the curve, whose resamples cost more than those of counts
    curves = BootstrappedScores(truth, units, n_resamples=min(n_resamples, _CURVES), seed=seed)

    def measure(encoder: FrozenEncoder, probe_name: str) -> _Measured:
        training, test = features[encoder.name]
        probe = both_probes(metric=encoder.metric, n_neighbours=n_neighbours, l2=l2)[probe_name]
        scores = patch_scores(probe, training, test, n_classes=n_classes)
        counts = count_classes(scores.argmax(1), truth, n_classes=n_classes, units=units)
        return _Measured(
            counts,
            curves.interval(curves.metrics(scores)["AUC"]),
            probe_scores(probe_name, probe, counts, training, test, n_classes=n_classes),
        )

    rows = []
    resampled: dict[str, Any] = {"n_resamples": n_resamples, "seed": seed}
    for probe_name in both_probes():
        measured = {encoder.name: measure(encoder, probe_name) for encoder in everyone}
        for encoder in everyone:
            counts, auc, more = measured[encoder.name]
            of_counts = {name: bootstrap(counts, score=score, **resampled) for name, score in _SCORES.items()}
            gains = {
                control.name: paired_bootstrap(counts, measured[control.name].counts, score=organ_score, **resampled)
                for control in controls
                if control is not encoder
            }
            rows.append(
                Row(
                    encoder=encoder.name,
                    is_control=encoder in controls,
                    probe=probe_name,
                    scores={**of_counts, "AUC": auc},
                    gains=gains,
                    more=more,
                )
            )
    return rows
