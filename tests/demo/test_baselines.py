"""The table that compares a network with both baselines."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from baselines import baseline_table_text, evaluate_baselines
from planted_organs import planted

from meddino_components.errors import InputError

NAMES = ("background", "liver", "spleen", "gland")


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
    table = evaluate_baselines(cases[:3], cases[3:], NAMES, network_dice=network, minimum_ml=32.0)
    liver, spleen = table["organs"]["liver"], table["organs"]["spleen"]
    assert liver["reference_ml"] == pytest.approx(16 * 14 * 10 * 27 / 1000)
    assert liver["network"] == 0.9
    assert liver["atlas"] > 0.9
    assert liver["intensity"] > 0.95 > 0.3 > spleen["intensity"]
    assert table["mean"]["network"] == pytest.approx(0.85)
    assert table["large"] == ["liver"]
    assert table["mean_large"]["atlas"] == liver["atlas"]
    lines = baseline_table_text(table).splitlines()
    assert lines[0].split() == ["organ", "ml", "network", "atlas", "intensity"]
    assert lines[3].split() == ["gland", "nan", "-", "-", "-"]
    assert lines[-1].startswith("mean over organs larger than 32 ml")
    assert len({len(line) for line in lines}) == 1


def test_no_test_case_is_trained_on(tmp_path: Path) -> None:
    cases = [saved(tmp_path, seed) for seed in range(3)]
    with pytest.raises(InputError, match="training and a test case"):
        evaluate_baselines(cases, cases[2:], NAMES)
