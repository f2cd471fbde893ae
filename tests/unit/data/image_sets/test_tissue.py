"""Stained pixels are found by their colour alone."""

import sys

import numpy as np
import pytest

from meddino_components.data.image_sets.tissue import tissue_mask
from meddino_components.errors import InputError

pytest.importorskip("skimage")


def overview():
    """White glass, grey dust and black, with noise of two grey levels."""
    pixels = np.random.default_rng(0).integers(238, 240, (40, 60, 3))
    pixels[:10] -= 120
    pixels[30:] -= 236
    return pixels.astype(np.uint8)


def test_a_stained_section_and_nothing_else():
    pixels = overview()
    pixels[12:20, 5:25] = 200, 120, 180
    expected = np.zeros((40, 60), bool)
    expected[12:20, 5:25] = True
    assert np.array_equal(tissue_mask(pixels), expected)


def test_glass_without_tissue():
    assert not tissue_mask(overview()).any()


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.filters", None)
    with pytest.raises(InputError, match=r"finding tissue needs scikit-image: install the extra 'slides'"):
        tissue_mask(overview())
