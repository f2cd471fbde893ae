"""A colour means the same in all panels, and follows what the features tell apart."""

import numpy as np
import pytest
import torch
from planted_scans import grey_encoder, planted_slice
from visible_files import partial_files

from meddino_components.errors import InputError
from meddino_components.figures import draw_resolutions, resolution_colours

SIZES = (64, 128, 192)


def colours_at(rgb, slice_, row, column):
    x, y = slice_.to_square(row, column)
    return rgb[int(y * rgb.shape[0]), int(x * rgb.shape[1])]


def test_equal_features_have_equal_colours_in_all_panels(tmp_path):
    slice_ = planted_slice(tmp_path)
    found = resolution_colours(grey_encoder(), [slice_, slice_], SIZES)
    assert found.reference_px == 128
    assert [rgb.shape for rgb in found.rgb[1]] == [(n // 4, n // 4, 3) for n in SIZES]
    # liver, spine and the rest of the body: columns run against X of the file, rows against Y
    places = [(47 - 24, 63 - 44), (47 - 12, 63 - 32), (47 - 24, 63 - 20)]
    of_each_size = [[colours_at(rgb, slice_, *place) for place in places] for rgb in found.rgb[0]]
    for of_size in of_each_size[1:]:
        np.testing.assert_allclose(of_size, of_each_size[0], atol=1e-6)
    # three tissues, three colours
    first = np.array(of_each_size[0])
    assert min(np.abs(first[a] - first[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.3


def test_colours_are_the_planted_segmentation(tmp_path):
    slice_ = planted_slice(tmp_path)
    rgb = resolution_colours(grey_encoder(), [slice_], [192]).rgb[0][0]
    centres = [(r, c) for r in range(2, 46) for c in range(2, 62)]
    tissue = np.array([int(slice_.image[r, c]) for r, c in centres])
    colours = np.array([colours_at(rgb, slice_, r, c) for r, c in centres])
    assert np.all(colours[(tissue == -1000) & ~np.array([slice_.body[r, c] for r, c in centres])].sum(1) < 3)
    means = {t: np.median(colours[tissue == t], 0) for t in (0, 200, 600)}
    nearest = np.array([min(means, key=lambda t: np.abs(c - means[t]).sum()) for c in colours])
    assert (nearest == tissue)[tissue > -1000].mean() > 0.9
    # the sign of a component is that of the intensities
    assert means[600][0] > means[0][0]


def test_outside_the_body_is_black_unless_asked_for(tmp_path):
    slice_ = planted_slice(tmp_path)
    masked = resolution_colours(grey_encoder(), [slice_], [128]).rgb[0][0]
    assert not masked[:4].any()
    assert not masked[:, :3].any()
    whole = resolution_colours(grey_encoder(), [slice_], [128], mask=False).rgb[0][0]
    assert np.ptp(whole[:4], axis=(0, 1)).max() < 1e-6


def test_turned_features_keep_their_colours(tmp_path):
    """Signs and order come from the data, not from the axes of the features."""
    slice_ = planted_slice(tmp_path)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1))).Q
    # three tissues span two components
    one, other = (resolution_colours(grey_encoder(turn=t), [slice_], [128]) for t in (None, turn))
    np.testing.assert_allclose(one.rgb[0][0][..., :2], other.rgb[0][0][..., :2], atol=1e-3)


def test_wrong_sizes(tmp_path):
    slice_ = planted_slice(tmp_path)
    with pytest.raises(InputError, match="size 130 px"):
        resolution_colours(grey_encoder(), [slice_], [64, 130])
    with pytest.raises(InputError, match=r"reference 96 px is not one of the sizes \[64, 128\]"):
        resolution_colours(grey_encoder(), [slice_], [64, 128], reference_px=96)
    with pytest.raises(InputError, match="at least one slice"):
        resolution_colours(grey_encoder(), [], [64])
    with pytest.raises(InputError, match=r"the body fills \d patch(es)?, but three components need 4"):
        resolution_colours(grey_encoder(), [slice_], [8])


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_figures_are_written_whole(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    draw_resolutions(path, encoder=grey_encoder(), slices=[planted_slice(tmp_path)], sizes_px=[64, 128], dpi=60)
    first = path.read_bytes()
    assert not partial_files(tmp_path)
    if suffix == "svg":
        assert "128 px (4 mm per patch)" in first.decode()  # text, not outlines
    if suffix == "png":
        draw_resolutions(path, encoder=grey_encoder(), slices=[planted_slice(tmp_path)], sizes_px=[64, 128], dpi=60)
        assert path.read_bytes() == first
