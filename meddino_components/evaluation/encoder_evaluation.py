"""Evaluate one encoder on labelled slices against its controls: the command behind a bundle's `evaluate`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_files import AtomicFiles
from ..embeddings import Encoder, backbone_encoder, pixel_encoder
from ..networks import DinoVisionTransformer
from .feature_comparison import compare_features
from .feature_map_sheet import evenly_spaced, write_feature_maps
from .feature_scores import both_probes, nearest_neighbour_probe, patch_counts, probe_scores
from .patch_features import SliceFeatures, extract_features

logger = logging.getLogger(__name__)


def evaluate_encoder(
    *,
    backbone: DinoVisionTransformer,
    train_slices: Sequence[Mapping[str, Any]],
    test_slices: Sequence[Mapping[str, Any]],
    n_classes: int,
    output_dir: str | Path,
    random_backbone: DinoVisionTransformer | None = None,
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
    title: str = "encoder",
) -> dict[str, Any]:
    """Score an encoder's features, and by how much they beat random weights and raw pixels.

    The controls are as strong as they can be made simply: raw pixels are compared by Euclidean distance, since the
    cosine would throw their brightness away.

    Args:
        backbone: the encoder, weights loaded, on its device.
        train_slices: slices from which the probes learn, see `ReferenceSlices`.
        test_slices: held-out slices.
        n_classes: classes of the labels, background included.
        output_dir: ``features.json`` and ``feature_maps.png`` are written here.
        random_backbone: the same with random weights; None leaves this control out.
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
        title: of the picture.

    Returns:
        what is in ``features.json``: ``scores`` (see `feature_scores`), and under ``organ_score`` for ``knn`` and
        ``linear`` each encoder's score and the gain over each control with its 95 % interval.

    Raises:
        InputError: a label beyond ``n_classes``; matplotlib is not installed but pictures are wanted.
        ValueError: fewer than two test units with an organ.
    """

    def features(encoder: Encoder) -> tuple[SliceFeatures, SliceFeatures]:
        training, test = (
            extract_features(
                encoder,
                slices,
                patch_size=backbone.patch_size,
                n_classes=n_classes,
                min_purity=min_purity,
                include_background=include_background,
                batch_size=batch_size,
            )
            for slices in (train_slices, test_slices)
        )
        return training, test

    encoders: dict[str, Encoder] = {"encoder": backbone_encoder(backbone.eval())}
    if random_backbone is not None:
        encoders["random weights"] = backbone_encoder(random_backbone.eval())
    encoders["raw pixels"] = pixel_encoder(patch_size=backbone.patch_size)
    found = {name: features(encoder) for name, encoder in encoders.items()}
    result: dict[str, Any] = {"scores": {}, "organ_score": {}}
    of_pixels = nearest_neighbour_probe(n_neighbours=n_neighbours, metric="euclidean", weights="distance")
    for probe_name, probe in both_probes(n_neighbours=n_neighbours, l2=l2).items():
        counts = {
            name: patch_counts(
                of_pixels if (name, probe_name) == ("raw pixels", "knn") else probe, *pair, n_classes=n_classes
            )
            for name, pair in found.items()
        }
        result["scores"] |= probe_scores(probe_name, probe, counts["encoder"], *found["encoder"], n_classes=n_classes)
        comparison = compare_features(counts, n_resamples=n_resamples, seed=seed)
        logger.info("organ score by %s\n%s", probe_name, comparison.text())
        result["organ_score"][probe_name] = comparison.as_dict()
    folder = Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with AtomicFiles() as files:
        files.path(folder / "features.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        if n_pictures:
            chosen = evenly_spaced(len(test_slices), n_pictures)
            test = found["encoder"][1]
            write_feature_maps(
                files.path(folder / "feature_maps.png"),
                slices=[test_slices[k] for k in chosen],
                patches=test.patches[chosen],
                grid=test.grid,
                title=title,
                n_points=n_points,
                window=window,
            )
    return result
