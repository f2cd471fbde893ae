"""The sheet shows slices and maps, the right way up."""

import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from meddino_components.errors import InputError
from meddino_components.features.feature_map_sheet import write_feature_maps
from meddino_components.pictures.slice_choice import evenly_spaced


def slices(n=2, size=64, **more):
    """A bright organ at the upper left of a grey body."""
    found = []
    for number in range(n):
        image = torch.full((1, size, size), -5.0)
        image[:, 8 : size - 8, 4 : size - 4] = 0
        image[:, 12:28, 8:24] = 2
        label = (image == 2).to(torch.uint8)
        found.append({"image": image, "label": label, "slice": number, "case_id": "c"} | more)
    return found


def draw(path, given, grid=(8, 8), **settings):
    from matplotlib.image import imread

    patches = torch.randn(len(given), grid[0] * grid[1], 12, generator=torch.Generator().manual_seed(0))
    colours = write_feature_maps(path, slices=given, patches=patches, grid=grid, title="iteration 7", **settings)
    return np.asarray(imread(path)), colours


def test_sheet_is_right_side_up(tmp_path):
    sheet, _ = draw(tmp_path / "a.png", slices(), window=(-4.0, 2.0))
    height, width = sheet.shape[:2]
    tile = sheet[int(0.1 * height) : height // 2, : width // 5, :3].min(-1)
    assert (tile[: len(tile) // 2, : tile.shape[1] // 2] > 0.95).mean() > 0.15  # the organ is white
    assert (tile[len(tile) // 2 :] > 0.95).mean() < 0.03


def test_scores_align_the_next(tmp_path):
    first, colours = draw(tmp_path / "a.png", slices())
    again, same = draw(tmp_path / "b.png", slices(), previous=colours.scores)
    assert np.abs(first - again).mean() < 1e-4
    turned, _ = draw(tmp_path / "c.png", slices(), previous=-colours.scores)
    assert np.abs(first - turned).mean() > 0.01
    assert_close(same.scores, colours.scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_points", [0, 1, 7])
@pytest.mark.parametrize("n", [1, 5])
def test_odd_sheets_are_drawn(tmp_path, n, n_points):
    given = slices(n)
    for item in given:
        del item["label"], item["case_id"]
        item["image"] = item["image"][:, :, :50].expand(3, -1, -1)
    sheet, _ = draw(tmp_path / "a.png", given, grid=(8, 6), n_points=n_points, note="score 0.5")
    assert sheet.ndim == 3


def test_global_randomness_is_not_touched(tmp_path):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    draw(tmp_path / "a.png", slices())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002


def test_evenly_spaced():
    assert evenly_spaced(10, 2) == [2, 7]
    assert evenly_spaced(3, 8) == [0, 1, 2]


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match="install the extra 'report'"):
        draw(tmp_path / "a.png", slices())
