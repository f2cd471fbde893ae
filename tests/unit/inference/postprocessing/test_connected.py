"""Which voxels of a mask belong together."""

import numpy as np
import pytest

from meddino_components.errors import InputError
from meddino_components.inference.postprocessing.connected import check_connectivity, components


@pytest.mark.parametrize(("connectivity", "expected"), [(1, 3), (2, 2), (3, 1)])
def test_voxels_that_share_a_face_an_edge_or_a_corner(connectivity, expected):
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[0, 1, 1] = mask[1, 2, 2] = True  # an edge, then a corner
    numbers, n_components = components(mask, connectivity)
    assert n_components == expected
    assert (numbers > 0).sum() == 3
    assert numbers[~mask].max() == 0


@pytest.mark.parametrize("connectivity", [0, 4, 2.0, "3", True])
def test_other_numbers_are_refused(connectivity):
    with pytest.raises(
        InputError, match=r"connectivity of Step is .*; expected 1, 2 or 3 \(1: voxels that share a face"
    ):
        check_connectivity("Step", connectivity)
