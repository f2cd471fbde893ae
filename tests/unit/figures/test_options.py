"""What is typed for the figure commands."""

import pytest
from planted_scans import write_scan

from meddino_components.errors import InputError
from meddino_components.figures.options import FigureOptions, PointOptions, middle_slice, whole_numbers


@pytest.fixture
def options(tmp_path):
    scan = write_scan(tmp_path / "scan.nii.gz")
    return lambda **given: FigureOptions(scan=str(scan), output=str(tmp_path / "a.png"), modality="ct", **given)


@pytest.mark.parametrize(("typed", "read"), [(40, [40]), ([40, 80], [40, 80]), ((1,), [1])])
def test_whole_numbers(typed, read):
    assert whole_numbers(typed, "slices") == read


@pytest.mark.parametrize("typed", [[], "40", 4.5, [1, True], None])
def test_what_is_no_whole_number(typed):
    with pytest.raises(InputError, match=r"slices is .*; expected whole numbers, as in"):
        whole_numbers(typed, "slices")


def test_grey_levels(options):
    assert options().grey_levels() is None
    assert options(window=[-160, 240]).grey_levels() == (-160.0, 240.0)
    for window in ([240, -160], [1], "dark", [0, "a"]):
        with pytest.raises(InputError, match="expected two increasing grey levels"):
            options(window=window).grey_levels()


def test_the_slice_is_that_of_the_points_or_the_stated_or_the_middle_one(options):
    scan = options().read()
    assert middle_slice(scan) == 2
    assert PointOptions().chosen(scan, 3)[0].index == 2
    assert PointOptions(slice=1).chosen(scan, 1)[0].index == 1
    shown, points = PointOptions(points=[44, 24, 3]).chosen(scan, 5)
    assert (shown.index, len(points)) == (3, 1)
    assert len(PointOptions().chosen(scan, 4)[1]) == 4


def test_random_weights_are_of_the_backbone_and_the_seed(options):
    first, again, other = (options(backbone="vit_tiny", seed=seed).encoder("random") for seed in (3, 3, 4))
    assert first.digest == again.digest != other.digest
    assert first.patch_size == 16
