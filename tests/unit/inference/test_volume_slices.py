"""The part of a volume, the network's grid, and neighbours as channels."""

import pytest
import torch

from meddino_components.inference.volume_slices import volume_slices


def slices_of(**changes):
    settings = {"spacing_mm": (2.0, 1.0), "pixdim": (1.0, 1.0), "context_slices": 1, "body": None}
    return volume_slices((10, 30, 5), **{**settings, **changes})


def test_the_grid_has_the_spacing_of_the_network():
    whole = slices_of()
    assert (whole.size, whole.network_size) == ((10, 30), (20, 30))
    assert slices_of(pixdim=None).network_size == (10, 30)
    assert slices_of(spacing_mm=None).network_size == (10, 30)


def test_edges_of_a_part_coincide_on_both_grids():
    part = slices_of(pixdim=(3.0, 3.0), body=(slice(4, 7), slice(5, 17), slice(1, 3)))
    rows, columns, depth = part.region
    assert depth == slice(1, 3)
    assert (rows.start * 7 / 10 % 1, columns.start % 3) == (pytest.approx(0, abs=0.11), 0)
    assert columns.stop % 3 == 0
    assert part.network_size[1] == (columns.stop - columns.start) / 3


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (0, 2), (1, 3), (4, 5)])
def test_neighbours_are_channels(start, stop):
    volume = torch.arange(5.0).expand(1, 10, 30, 5)
    block = slices_of(context_slices=3).block(volume, start, stop, torch.device("cpu"))
    expected = [[max(n - 1, 0), n, min(n + 1, 4)] for n in range(start, stop)]
    assert block[:, :, 0, 0].tolist() == expected
    assert block.shape == (stop - start, 3, 10, 30)
