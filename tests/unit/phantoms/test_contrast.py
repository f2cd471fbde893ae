"""Tissue values that a radiologist would pass."""

import numpy as np
import pytest

from meddino_components.phantoms.contrast import ct_tissues, mr_tissues


@pytest.mark.parametrize("seed", range(20))
def test_hounsfield_units_are_in_order(seed):
    tissue = ct_tissues(np.random.default_rng(seed))
    order = ["air", "gas", "lung", "fat", "bowel content", "muscle", "marrow", "cortex"]
    values = [tissue[name] for name in order]
    assert values == sorted(values)
    assert 50 <= tissue["organ 6"] <= 140  # liver, at most in the portal venous phase


def test_some_scans_have_no_contrast_medium():
    aorta = np.array([ct_tissues(np.random.default_rng(seed))["organ 8"] for seed in range(240)])
    plain = aorta < 60
    assert 8 <= plain.sum() <= 40  # one in twelve
    assert aorta[~plain].min() > 120


def test_fluid_is_dark_in_t1_and_bright_in_t2():
    tables = [mr_tissues(np.random.default_rng(seed)) for seed in range(40)]
    ratios = np.array([table["canal"] / table["organ 6"] for table in tables])
    assert set(np.round(ratios, 3)) == {round(130 / 400, 3), round(850 / 240, 3)}
    assert all(table["air"] == 0 for table in tables)
