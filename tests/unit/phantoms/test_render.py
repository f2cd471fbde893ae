"""One rendered patient: kinds of numbers, range of intensities, and that the generator alone decides."""

import numpy as np
import pytest

from meddino_components.phantoms.render import render_case

SMALL = {"in_plane_px": 48, "slice_mm": (20.0, 22.0)}


@pytest.mark.parametrize("modality", ["ct", "mr"])
def test_a_case(modality):
    case = render_case(rng=np.random.default_rng(3), modality=modality, **SMALL)
    again = render_case(rng=np.random.default_rng(3), modality=modality, **SMALL)
    assert np.array_equal(case.image, again.image)
    assert np.array_equal(case.label, again.label)
    assert case.image.shape == case.label.shape
    assert all(44 <= n <= 52 for n in case.image.shape[:2])
    assert 20 <= case.spacing_mm[2] <= 22
    assert (case.image.dtype, case.label.dtype) == (np.int16, np.uint8)
    # the field of view holds the body: between 30 and 60 cm
    assert all(300 <= n * mm <= 600 for n, mm in zip(case.image.shape[:2], case.spacing_mm[:2], strict=True))
    assert case.label.max() <= 15
    air = case.image[:2].mean()
    assert air < -900 if modality == "ct" else air < 60
