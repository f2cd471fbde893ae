"""The controls on planted data whose answer is known."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddino_components.errors import InputError
from meddino_components.evaluation import IntensityClassifier, MeanLabelAtlas, control_table_text, evaluate_controls

NAMES = ("background", "liver", "spleen", "gland")
SHAPE = (32, 40, 16)


def planted(seed: int, *, scale: int = 1, pad: tuple[int, int] = (0, 0)) -> dict[str, MetaTensor]:
    """Organs at fixed places of a body; air, where the field of view is wider, is -1000. Intensity tells liver only."""
    rng = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    label[4:20, 4:18, 2:12] = 1
    label[8:24, 24:36, 4:10] = 2
    image = rng.normal(0, 5, SHAPE)
    image[label == 1] += 100
    label, image = (np.kron(x, np.ones((scale,) * 3, x.dtype)) for x in (label, image))
    label = np.pad(label, (pad, pad, (0, 0)))
    image = np.pad(image, (pad, pad, (0, 0)), constant_values=-1000)
    affine = torch.diag(torch.tensor([3.0 / scale] * 3 + [1.0]))
    return {
        "image": MetaTensor(torch.from_numpy(image.astype(np.float32))[None], affine=affine),
        "label": MetaTensor(torch.from_numpy(label)[None], affine=affine),
    }


def dice(prediction: np.ndarray, case: dict[str, MetaTensor], label: int) -> float:
    a, b = prediction == label, case["label"].numpy()[0] == label
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("grid", [(32, 40, 16), (48, 48, 48)])
def test_atlas_of_equal_cases_knows_the_next(grid: tuple[int, int, int]) -> None:
    atlas = MeanLabelAtlas(n_labels=4, grid=grid, alignment="image").fit([planted(s) for s in range(3)])
    # twice as many voxels over the same extent
    for case in (planted(7), planted(7, scale=2)):
        predicted = atlas.predict(case)
        assert predicted.shape == tuple(case["label"].shape[1:])
        assert dice(predicted, case, 1) > 0.95
        assert dice(predicted, case, 2) > 0.95
        assert not (predicted == 3).any()  # no training case has it
    assert atlas.training_dice > 0.95


def test_body_alignment_needs_no_luck_with_the_field_of_view() -> None:
    cases = [planted(s, pad=(4 * s, 12 - 4 * s)) for s in range(4)]
    found = {}
    for alignment in ("body", "image"):
        atlas = MeanLabelAtlas(n_labels=4, grid=SHAPE, alignment=alignment).fit(cases[:3])
        found[alignment] = dice(atlas.predict(cases[3]), cases[3], 1)
    assert found["body"] > 0.85 > found["image"]


def test_thresholds_are_the_best_left_out() -> None:
    """One of four cases has its organs elsewhere: for the others the atlas says 2/3, so the threshold must be lower."""
    cases = [planted(s) for s in range(4)]
    cases[3]["label"] = MetaTensor(torch.roll(cases[3]["label"].as_tensor(), 5, 3), affine=cases[3]["label"].affine)
    atlas = MeanLabelAtlas(n_labels=4, grid=SHAPE, alignment="image").fit(cases)
    assert (atlas.thresholds[:2] < 2 / 3).all()
    assert dice(atlas.predict(planted(9)), planted(9), 1) > 0.95


def test_atlas_needs_two_cases() -> None:
    with pytest.raises(ValueError, match="at least two"):
        MeanLabelAtlas(n_labels=4).fit([planted(0)])


def test_intensity_finds_what_intensity_tells() -> None:
    classifier = IntensityClassifier(n_labels=4).fit([planted(s) for s in range(2)])
    case = planted(5)
    predicted = classifier.predict(case)
    assert dice(predicted, case, 1) > 0.99
    # the spleen looks like its surroundings: all of these voxels is the best that can be said
    rest = int((case["label"] != 1).sum())
    spleen = int((case["label"] == 2).sum())
    assert dice(predicted, case, 2) == pytest.approx(2 * spleen / (rest + spleen), rel=0.12)


def test_weights_beat_the_rule_with_the_fewest_errors() -> None:
    """With natural priors a rare organ that overlaps with background is never predicted: Dice 0."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 10, (1, 40, 40, 20)).astype(np.float32)
    label = np.zeros(image.shape, np.uint8)
    label[:, 4:10, 4:10, 4:10] = 1
    image[label == 1] += 12
    case = {"image": torch.from_numpy(image), "label": torch.from_numpy(label)}
    classifier = IntensityClassifier(n_labels=2).fit([case])
    assert classifier.weights[1] > classifier.weights[0]
    predicted = classifier.predict(case) == 1
    hits = (predicted & (label[0] == 1)).sum()
    assert 2 * hits / (predicted.sum() + label.sum()) == pytest.approx(classifier.training_dice)
    assert classifier.training_dice > 0.1


def test_nothing_labelled() -> None:
    case = {key: torch.zeros(1, 4, 4, 4) for key in ("image", "label")}
    with pytest.raises(ValueError, match="no labelled voxel"):
        IntensityClassifier(n_labels=2).fit([case])


def saved(folder: Path, seed: int) -> dict[str, str]:
    case = planted(seed, pad=(2, 2))
    files = {"case_id": f"c{seed}", "modality": "ct"}
    for key, volume in case.items():
        files[key] = str(folder / f"{seed}_{key}.nii.gz")
        # PLS: rows to posterior, columns to the left
        affine = np.array([[0, -3.0, 0, 0], [-3, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]])
        nib.save(nib.Nifti1Image(volume.numpy()[0], affine), files[key])
    return files


def test_table(tmp_path: Path) -> None:
    cases = [saved(tmp_path, seed) for seed in range(5)]
    network = {"liver": 0.9, "spleen": 0.8, "gland": None}
    table = evaluate_controls(cases[:3], cases[3:], NAMES, network_dice=network, minimum_ml=32.0)
    liver, spleen = table["organs"]["liver"], table["organs"]["spleen"]
    assert liver["reference_ml"] == pytest.approx(16 * 14 * 10 * 27 / 1000)
    assert liver["network"] == 0.9
    assert liver["atlas"] > 0.9
    assert liver["intensity"] > 0.95 > 0.3 > spleen["intensity"]
    assert table["mean"]["network"] == pytest.approx(0.85)
    assert table["large"] == ["liver"]
    assert table["mean_large"]["atlas"] == liver["atlas"]
    lines = control_table_text(table).splitlines()
    assert lines[0].split() == ["organ", "ml", "network", "atlas", "intensity"]
    assert lines[3].split() == ["gland", "nan", "-", "-", "-"]
    assert lines[-1].startswith("mean over organs larger than 32 ml")
    assert len({len(line) for line in lines}) == 1


def test_no_test_case_is_trained_on(tmp_path: Path) -> None:
    cases = [saved(tmp_path, seed) for seed in range(3)]
    with pytest.raises(InputError, match="training and a test case"):
        evaluate_controls(cases, cases[2:], NAMES)
