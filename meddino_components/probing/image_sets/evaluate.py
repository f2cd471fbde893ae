"""Frozen encoders on a labelled image set, scored by probes and compared with controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from ...data.image_sets import SPLITS, ImageSet, Split
from ...embeddings import Embeddings, FrozenEncoder
from ...embeddings.encoders import encoders_and_controls
from ...errors import InputError
from ...files import writes_results
from ...interruption import ends_on_signal
from ...pictures.blank_figure import require_matplotlib
from ..encoding import Encoding
from ..probes.bags import LabelledBags
from ..probes.probe import LabelledFeatures, Probe, check_probes
from ..statistics.bootstrap import Bootstrap
from ..statistics.metrics import examples_shown, measure
from ..tables.probe_tables import TABLE_SUFFIXES, write_tables
from ..tables.rows import Row, measured_rows
from .attention_maps import write_attention_maps
from .readable_samples import ReadableSamples, readable_samples
from .vectors import Vectors

_METRICS, _MAIN = ("AUC", "accuracy", "F1"), "AUC"


@ends_on_signal("embeddings that are on disk stay there, the same command goes on from them")
@writes_results(*(f"classification.{suffix}" for suffix in TABLE_SUFFIXES))
def evaluate_classification(
    *,
    image_set: ImageSet,
    encoders: Sequence[FrozenEncoder],
    controls: Sequence[FrozenEncoder],
    size_px: int,
    probes: Sequence[Probe],
    encoding: Encoding,
    output_dir: str | Path,
    vectors: Vectors | None = None,
    bootstrap: Bootstrap | None = None,
    attention_maps: int = 4,
) -> list[Row]:
    """Score encoders and controls on the test split, and by how much each encoder beats each control.

    Embeddings are computed once (`embed`). Probes learn from the training split and choose settings on the validation
    split. Probes that read bags, such as `GatedAttention`, are skipped if each sample is a single image. Intervals
    resample patients. A sample that some encoder cannot read is left out for all encoders, and counted.

    Args:
        image_set: labelled images, volumes or slides.
        encoders: the encoders to evaluate.
        controls: encoders that they have to beat: random weights, raw pixels.
        size_px: side of the images in pixels, for all encoders.
        probes: probes that score every encoder, such as `KNearestNeighbours`.
        encoding: settings for computing embeddings, and the folder that keeps them.
        output_dir: output folder for ``classification.json``, ``.csv``, ``.md``, ``.tex`` and ``.png``, and for slides
            ``<probe>/<encoder>/*.png`` of each probe with attention.
        vectors: which vector of an image is used, and how the vectors of a sample are pooled.
        bootstrap: settings of the bootstrap over patients.
        attention_maps: number of test slides to draw for each of ``encoders``.

    Returns:
        one row for each encoder or control and each probe.

    Raises:
        InputError: there is no encoder or probe, names recur, unreadable samples leave a split empty or remove a class
            from training, ``output_dir`` holds a file of the user's or is used by another process, or see `embed`.
    """
    require_matplotlib("the picture of the scores")
    check_probes(probes)
    vectors, bootstrap = vectors or Vectors(), bootstrap or Bootstrap()
    everyone = encoders_and_controls(encoders, controls)
    embeddings = {encoder.name: encoding.embed(image_set, encoder, size_px=size_px) for encoder in everyone}
    readable = readable_samples(image_set, list(embeddings.values()))
    resamples, truth = bootstrap.resample(readable.test_patients), readable.targets["test"]
    measured: dict[tuple[str, str], dict[str, Tensor]] = {}
    for encoder in everyone:
        features = _features(embeddings[encoder.name], readable, encoder, vectors, n_classes=len(image_set.label_names))
        for probe in _that_apply(probes, features):
            found = probe.score(features)
            measured[encoder.name, probe.name] = measure(found.scores, truth, resamples, _METRICS)
            if found.attention and features.bags and image_set.tiling and encoder in encoders:
                folder = Path(output_dir) / probe.name / encoder.name.replace("/", "_")
                slides, bags = image_set.of("test"), features.bags["test"]
                write_attention_maps(folder, slides, bags, found, n_maps=attention_maps)
    rows = measured_rows(measured, [control.name for control in controls], main=_MAIN)
    facts = {
        "set": image_set.name,
        "size_px": size_px,
        "vector": vectors.kind,
        "samples": {split: len(targets) for split, targets in readable.targets.items()},
        "units": resamples.n_units,
        "unit": "patients",
        "shown_by": examples_shown(truth, resamples, image_set.label_names),
        "unreadable": readable.left_out,
        "unreadable_samples": readable.reasons,
        "within_one_patient": bool(image_set.shared_patients()),
        "positives": dict(zip(image_set.label_names, readable.test_positives, strict=True)),
    }
    write_tables(Path(output_dir), "classification", rows, facts, main=_MAIN)
    return rows


def _features(
    found: Mapping[Split, Embeddings],
    readable: ReadableSamples,
    encoder: FrozenEncoder,
    vectors: Vectors,
    *,
    n_classes: int,
) -> LabelledFeatures:
    """Features of the readable samples, with bags if any sample has several items."""
    bags = {
        split: LabelledBags(
            embeddings=found[split],
            kind=vectors.kind,
            samples=np.flatnonzero(readable.masks[split].numpy()),
            targets=readable.targets[split],
        )
        for split in SPLITS
    }
    return LabelledFeatures(
        vectors={split: vectors.of(found[split])[mask] for split, mask in readable.masks.items()},
        targets=readable.targets,
        n_classes=n_classes,
        metric=encoder.metric,
        bags=bags if max(part.lengths.max() for part in found.values()) > 1 else None,
    )


def _that_apply(probes: Sequence[Probe], features: LabelledFeatures) -> list[Probe]:
    """Probes that can score these features; raises InputError if none can."""
    chosen = [probe for probe in probes if features.bags or not probe.reads_bags]
    if not chosen:
        raise InputError(
            f"probes are {', '.join(probe.name for probe in probes)}, which need samples of several slices or tiles; "
            "each sample here is a single image: add another probe"
        )
    return chosen
