"""Frozen encoders on a labelled image set: probes of one vector a sample, and of bags of them, beside controls.

Shapes: N samples, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ...data.image_sets import SPLITS, ImageSet, Split
from ...embeddings import Embeddings, FrozenEncoder, embed_image_set
from ...embeddings.encoders import encoders_and_controls
from ...files import writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ..probes.gated_attention import LabelledBags, attention_probe
from ..statistics.scores_bootstrap import METRICS, BootstrappedScores
from ..tables.probe_tables import TABLE_SUFFIXES, Row, write_tables
from .attention_maps import write_attention_maps
from .readable_samples import ReadableSamples, readable_samples
from .vector_probes import score_vectors

Vector = Literal["cls", "mean_patch"]
Pooling = Literal["mean", "max"]


@ends_on_signal("embeddings that are on disk stay there, the same command goes on from them")
@writes_results(*(f"classification.{suffix}" for suffix in TABLE_SUFFIXES))
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
    attention_epochs: int = 50,
    attention_learning_rate: float = 5e-4,
    attention_max_instances: int = 4096,
    attention_maps: int = 4,
    batch_size: int = 32,
    num_workers: int = 0,
    n_resamples: int = 1000,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool = True,
) -> list[Row]:
    """Score encoders and controls on the test split, and by how much each encoder beats each control.

    Embeddings are made once (`embed`). A volume's vector is pooled over its slices, a slide's over its tiles. Probes
    learn from the training split: k-NN as in DINO (raw pixels by distance), the published linear probe
    (`gradient_probe_scores`), and logistic regression with the penalty that is best on the validation split; where
    samples have several slices or tiles also gated attention over these (`attention_probe`). Intervals resample
    patients. A sample that any encoder cannot read is left out for all, and counted.

    Args:
        image_set: see `ImageSet`.
        encoders: the ones in question.
        controls: what they have to beat: random weights, raw pixels.
        size_px: side of the images, for all encoders.
        cache_dir: of the embeddings.
        output_dir: gets ``classification.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``; of slides ``attention``.
        vector: which of an encoder's vectors of an image.
        pooling: of the slices of a volume or the tiles of a slide, for all probes but attention.
        n_neighbours: of k-NN.
        attention_epochs: of `attention_probe`; 0 leaves it out.
        attention_learning_rate: of the same.
        attention_max_instances: of the same.
        attention_maps: test slides that are drawn for each of ``encoders``, see `write_attention_maps`.
        batch_size: images encoded at once.
        num_workers: processes that read images.
        n_resamples: of the bootstrap.
        seed: of probes and bootstrap.
        device: where attention is trained.
        progress: show bars.

    Returns:
        a row for each encoder or control, and probe.

    Raises:
        InputError: no encoder, names that recur, nothing left of a split or, in training, of a class after unreadable
            samples, a file of the user's or another process in ``output_dir``, or see `embed`.
    """
    require_matplotlib("the picture of the scores")
    everyone = encoders_and_controls(encoders, controls)
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
    readable = readable_samples(image_set, list(embeddings.values()))
    bootstrap = BootstrappedScores(readable.targets["test"], readable.test_patients, n_resamples=n_resamples, seed=seed)
    measured: dict[tuple[str, str], dict[Any, Tensor]] = {}
    for encoder in everyone:
        found = embeddings[encoder.name]
        scores = score_vectors(
            {split: pooled(found[split], vector, pooling)[mask] for split, mask in readable.masks.items()},
            readable.targets,
            n_classes=len(image_set.label_names),
            metric=encoder.metric,
            n_neighbours=n_neighbours,
            seed=seed,
        )
        if attention_epochs and max(part.lengths.max() for part in found.values()) > 1:
            bags = _bags(found, readable, vector)
            attended = attention_probe(
                bags,
                n_classes=len(image_set.label_names),
                epochs=attention_epochs,
                learning_rate=attention_learning_rate,
                max_instances=attention_max_instances,
                seed=seed,
                device=device,
                progress=progress,
            )
            scores["attention"] = attended.scores
            if image_set.tiling and encoder in encoders:
                folder = Path(output_dir) / "attention" / encoder.name.replace("/", "_")
                write_attention_maps(folder, image_set.of("test"), bags["test"], attended, n_maps=attention_maps)
        measured |= {(encoder.name, probe): bootstrap.metrics(of_probe) for probe, of_probe in scores.items()}
    rows = _rows(measured, bootstrap, [control.name for control in controls])
    facts = {
        "set": image_set.name,
        "size_px": size_px,
        "vector": vector,
        "samples": {split: len(targets) for split, targets in readable.targets.items()},
        "units": bootstrap.n_units,
        "unit": "patients",
        "shown_by": bootstrap.shown_by(image_set.label_names),
        "unreadable": readable.left_out,
        "unreadable_samples": readable.reasons,
        "within_one_patient": bool(image_set.shared_patients()),
        "positives": dict(zip(image_set.label_names, readable.test_positives, strict=True)),
    }
    write_tables(Path(output_dir), "classification", rows, facts, main="AUC")
    return rows


def pooled(embeddings: Embeddings, vector: Vector, pooling: Pooling) -> Tensor:
    """One vector a sample, [N, D] float32: of a picture its own, of a bag the mean or maximum of its items'.

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


def _bags(
    embeddings: Mapping[Split, Embeddings], readable: ReadableSamples, vector: Vector
) -> dict[Split, LabelledBags]:
    return {
        split: LabelledBags(
            embeddings=embeddings[split],
            kind=vector,
            samples=np.flatnonzero(readable.masks[split].numpy()),
            targets=readable.targets[split],
        )
        for split in SPLITS
    }


def _rows(
    measured: Mapping[tuple[str, str], Mapping[Any, Tensor]], bootstrap: BootstrappedScores, controls: Sequence[str]
) -> list[Row]:
    """Intervals, from metrics by name and probe under the same resamples."""
    return [
        Row(
            encoder=name,
            is_control=name in controls,
            probe=probe,
            scores={metric: bootstrap.interval(values[metric]) for metric in METRICS},
            gains={
                control: bootstrap.interval(values["AUC"] - measured[control, probe]["AUC"])
                for control in controls
                if name != control
            },
        )
        for (name, probe), values in measured.items()
    ]
