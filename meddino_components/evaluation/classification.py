"""Frozen encoders on a labelled image set: k-NN, the published linear probe and logistic regression, beside controls.

Shapes: N samples, D width, K classes or labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..data.image_sets import SPLITS, ImageSet, Selection, Split
from ..embeddings import Embeddings, FrozenEncoder, embed_image_set
from ..errors import InputError
from .classification_scores import METRICS, BootstrappedScores
from .feature_scores import Probe, linear_probe, nearest_neighbour_probe
from .gradient_probe import gradient_probe_scores
from .probe_metrics import mean_auc
from .score_tables import Row, write_tables

Vector = Literal["cls", "mean_patch"]
Pooling = Literal["mean", "max"]
# penalties that logistic regression is tried with
_L2 = (1.0, 10.0, 100.0, 1000.0)


def evaluate_classification(
    *,
    image_set: ImageSet,
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    size_px: int,
    cache_dir: str | Path,
    output_dir: str | Path,
    vector: Vector = "cls",
    pooling: Pooling = "mean",
    n_neighbours: int = 20,
    batch_size: int = 32,
    num_workers: int = 0,
    n_resamples: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> list[Row]:
    """Score encoders and controls on the test split, and by how much each encoder beats each control.

    Embeddings are made once (`embed`). A volume's vector is pooled over its slices. Probes learn from the training
    split: k-NN as in DINO (raw pixels by distance), the published linear probe (`gradient_probe_scores`), and logistic
    regression with the penalty that is best on the validation split. Intervals resample patients. A sample that any
    encoder cannot read is left out for all, and counted.

    Args:
        image_set: see `ImageSet`.
        encoders: the ones in question.
        controls: what they have to beat: random weights, raw pixels.
        size_px: side of the images, for all encoders.
        cache_dir: of the embeddings.
        output_dir: gets ``classification.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``.
        vector: which of an encoder's vectors of an image.
        pooling: of the slices of a volume.
        n_neighbours: of k-NN.
        batch_size: images encoded at once.
        num_workers: processes that read images.
        n_resamples: of the bootstrap.
        seed: of probes and bootstrap.
        progress: show bars.

    Returns:
        a row for each encoder or control, and probe.

    Raises:
        InputError: no encoder, names that recur, nothing left of a split after unreadable samples, or see `embed`.
    """
    everyone = [*encoders, *controls]
    names = [encoder.name for encoder in everyone]
    if not encoders or len(set(names)) < len(names):
        raise InputError(f"encoders are {names}; expected at least one, and a name of its own for each")
    splits = {split: image_set.of(split) for split in SPLITS}
    embeddings = {
        encoder.name: embed_image_set(
            image_set,
            encoder,
            size_px=size_px,
            cache_dir=cache_dir,
            batch_size=batch_size,
            num_workers=num_workers,
            progress=progress,
        )
        for encoder in everyone
    }
    readable = {split: _readable([embeddings[name][split] for name in names]) for split in splits}
    targets = {split: _targets(part)[readable[split]] for split, part in splits.items()}
    left_out = {split: len(part) - int(readable[split].sum()) for split, part in splits.items()}
    if not all(len(t) for t in targets.values()):
        raise InputError(f"{image_set.name}: no sample is left in a split; unreadable: {left_out}")
    patients = np.array([sample.patient for sample in splits["test"].samples])[readable["test"].numpy()]
    bootstrap = BootstrappedScores(
        targets["test"],
        torch.from_numpy(np.unique(patients, return_inverse=True)[1]),
        n_resamples=n_resamples,
        seed=seed,
    )
    measured: dict[tuple[str, str], dict[Any, Tensor]] = {}
    for encoder in everyone:
        vectors = {
            split: pooled(found, vector, pooling)[readable[split]] for split, found in embeddings[encoder.name].items()
        }
        for probe, scores in _probed(encoder, vectors, targets, len(image_set.label_names), n_neighbours, seed).items():
            measured[encoder.name, probe] = bootstrap.metrics(scores)
    rows = [
        Row(
            encoder=name,
            is_control=name in {control.name for control in controls},
            probe=probe,
            scores={metric: bootstrap.interval(values[metric]) for metric in METRICS},
            gains={
                control.name: bootstrap.interval(values["AUC"] - measured[control.name, probe]["AUC"])
                for control in controls
                if name != control.name
            },
        )
        for (name, probe), values in measured.items()
    ]
    facts = {
        "set": image_set.name,
        "size_px": size_px,
        "vector": vector,
        "samples": {split: len(t) for split, t in targets.items()},
        "units": bootstrap.n_units,
        "unit": "patients",
        "unreadable": left_out,
        "unreadable_samples": {
            sample: reason
            for of_splits in embeddings.values()
            for found in of_splits.values()
            for sample, reason in found.unreadable.items()
        },
        "within_one_patient": bool(image_set.shared_patients()),
        "positives": dict(zip(image_set.label_names, splits["test"].positives().tolist(), strict=True)),
    }
    write_tables(Path(output_dir), "classification", rows, facts, main="AUC")
    return rows


def pooled(embeddings: Embeddings, vector: Vector, pooling: Pooling) -> Tensor:
    """One vector a sample, [N, D] float32: of a picture its own, of a volume the mean or maximum of its slices'.

    Samples that could not be read are zero.
    """
    first = embeddings.items(int(np.argmax(embeddings.lengths)), vector)
    vectors = torch.zeros(len(embeddings.lengths), first.shape[-1])
    if embeddings.lengths.max() == 1:  # pictures: one by one takes seconds where there are many
        vectors[torch.from_numpy(embeddings.lengths > 0)] = torch.from_numpy(embeddings.all_items(vector)).float()
        return vectors
    for number, length in enumerate(embeddings.lengths):
        if length:
            items = torch.from_numpy(embeddings.items(number, vector).astype(np.float32))
            vectors[number] = items.mean(0) if pooling == "mean" else items.amax(0)
    return vectors


def _readable(of_encoders: Sequence[Embeddings]) -> Tensor:
    return torch.from_numpy(np.all([found.lengths > 0 for found in of_encoders], axis=0))


def _targets(samples: Selection) -> Tensor:
    return torch.from_numpy(samples.targets())


def _probed(
    encoder: FrozenEncoder,
    vectors: Mapping[Split, Tensor],
    targets: Mapping[Split, Tensor],
    n_classes: int,
    n_neighbours: int,
    seed: int,
) -> dict[str, Tensor]:
    """Test scores [N, K] by probe."""
    weights: Literal["softmax", "distance"] = "softmax" if encoder.metric == "cosine" else "distance"
    knn = nearest_neighbour_probe(n_neighbours=n_neighbours, metric=encoder.metric, weights=weights)
    l2 = max(_L2, key=lambda l2: _validation_auc(linear_probe(l2=l2), vectors, targets, n_classes))
    train, test = (vectors["train"], targets["train"]), vectors["test"]
    return {
        "knn": knn(*train, test, n_classes),
        "linear": gradient_probe_scores(*train, test, n_classes=n_classes, seed=seed),
        "logistic": linear_probe(l2=l2)(*train, test, n_classes),
    }


def _validation_auc(
    probe: Probe, vectors: Mapping[Split, Tensor], targets: Mapping[Split, Tensor], n_classes: int
) -> float:
    truth = targets["val"]
    scores = probe(vectors["train"], targets["train"], vectors["val"], n_classes)
    auc = mean_auc(scores, torch.nn.functional.one_hot(truth, n_classes) if truth.ndim == 1 else truth)
    return auc if np.isfinite(auc) else 0.0
