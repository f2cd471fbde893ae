"""Where slices lie decides: rounding by an exporter is recognised, a missing slice too."""

import itertools
import warnings

import numpy as np
import pytest
from volume_files import ct_voxels, write_dicom_series

from meddino_components.data.volumes.dicom import read_series
from meddino_components.errors import InputError
from meddino_components.inference.dicom_segmentation import write_dicom_segmentation
from meddino_components.inference.segment_codes import codes_of

N = 24
CT = ct_voxels(shape=(12, 10, N))


def series(folder, along, *, normal=(0.0, 0.0, 1.0), orientation="1\\0\\0\\0\\1\\0", digits=None, **tags):
    """Slices at these mm along the normal, their positions rounded to so many digits."""
    position = [np.outer(along, normal)[k] for k in range(len(along))]
    shown = [[round(float(v), digits) if digits is not None else float(v) for v in row] for row in position]
    text = ["\\".join(f"{v:.6f}".rstrip("0").rstrip(".") for v in row) for row in shown]
    return write_dicom_series(folder, CT[:, :, : len(along)], position=text, orientation=orientation, **tags)


@pytest.mark.parametrize(
    ("spacing", "digits"),
    [*itertools.product([1.25, 0.625, 0.75, 3.75, 0.3125, 2.4375], [1]), (0.625, 2), (1.0 / 3, 2), (0.125, 2)],
)
def test_rounded_positions_are_read_with_the_spacing_of_the_ends(tmp_path, spacing, digits):
    volume = read_series(series(tmp_path / "s", -37.2 + spacing * np.arange(N), digits=digits))
    assert volume.affine[2, 2] == pytest.approx(spacing, abs=10.0**-digits / (N - 1))
    np.testing.assert_array_equal(volume.voxels, CT)


def test_rounded_oblique_positions_are_no_tilt(tmp_path):
    angle = np.deg2rad(20)
    c, s = np.cos(angle), np.sin(angle)
    folder = series(
        tmp_path / "s",
        1.25 * np.arange(N),
        normal=(0.0, -s, c),
        orientation=f"1\\0\\0\\0\\{c:.8f}\\{s:.8f}",
        digits=1,
    )
    volume = read_series(folder)
    assert np.linalg.norm(volume.affine[:3, 2]) == pytest.approx(1.25, abs=0.006)
    assert not volume.resampled


@pytest.mark.parametrize(
    ("spacing", "digits"), [(1.25, 1), (0.625, 1), (3.75, 1), (0.625, 2), (5.0, None), (0.3125, 1)]
)
@pytest.mark.parametrize("missing", [1, N // 2, N - 2])
def test_a_missing_slice_is_refused_however_positions_are_rounded(tmp_path, spacing, digits, missing):
    along = np.delete(spacing * np.arange(N), missing)
    folder = series(tmp_path / "s", along, digits=digits)
    for uneven in ("refuse", "even"):
        with pytest.raises(InputError, match="apart, other slices"):
            read_series(folder, uneven_slices=uneven)


@pytest.mark.parametrize("kept", [(0, 1, 3), (0, 1, 3, 4), (0, 2, 3)])
def test_a_missing_slice_of_few_is_refused(tmp_path, kept):
    folder = series(tmp_path / "s", 1.25 * np.array(kept), digits=1)
    with pytest.raises(InputError, match="apart, other slices"):
        read_series(folder, uneven_slices="even")


def test_a_drift_is_no_rounding(tmp_path):
    along = np.cumsum([0.0] + [1.2] * 11 + [1.3] * 12)
    with pytest.raises(InputError, match="apart, other slices"):
        read_series(series(tmp_path / "s", along, digits=1))


def test_nearly_even_slices_are_read_on_request(tmp_path):
    along = 3.0 * np.arange(N) + np.where(np.arange(N) % 2, 0.4321, 0)
    folder = series(tmp_path / "s", along)
    with pytest.raises(InputError, match="set uneven_slices to 'even'"):
        read_series(folder)
    volume = read_series(folder, uneven_slices="even")
    assert volume.affine[2, 2] == pytest.approx((along[-1] - along[0]) / (N - 1))
    with pytest.raises(InputError, match="expected one of refuse, even"):
        read_series(folder, uneven_slices="yes")


def test_thickness_tags_decide_nothing(tmp_path):
    folder = series(tmp_path / "s", 3.0 * np.arange(N), thickness=[2.998, 3] * (N // 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert read_series(folder).affine[2, 2] == 3
    folder = series(tmp_path / "t", 3.0 * np.arange(N), thickness=[3, 5] * (N // 2))
    with pytest.warns(UserWarning, match="12 slices of 3 mm and 12 slices of 5 mm in one series"):
        assert read_series(folder).affine[2, 2] == 3
    folder = series(tmp_path / "u", np.cumsum([4.0] * 12 + [7.0] * 12), thickness=[4] * 12 + [7] * 12)
    with pytest.raises(InputError, match="12 slices of 4 mm and 12 slices of 7 mm: put the slices of each thickness"):
        read_series(folder)


def test_a_single_slice_needs_its_thickness(tmp_path):
    with pytest.raises(InputError, match="SliceThickness ''"):
        read_series(series(tmp_path / "s", [1.0]))
    assert read_series(series(tmp_path / "t", [1.0], thickness=2.5)).affine[2, 2] == 2.5


def test_a_dicom_seg_of_rounded_positions(tmp_path):
    pytest.importorskip("highdicom")
    volume = read_series(series(tmp_path / "s", 1.25 * np.arange(N), digits=1))
    write_dicom_segmentation(
        tmp_path / "a.dcm",
        labels=(volume.voxels > 0).astype(np.uint8),
        affine=volume.affine,
        source_files=volume.series.files,
        label_names={1: "liver"},
        codes=codes_of({1: "liver"}, None),
    )
    assert (tmp_path / "a.dcm").stat().st_mode & 0o777 == 0o600
