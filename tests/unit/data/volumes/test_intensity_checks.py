"""Intensities that the stated modality cannot have are refused."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from intensity_volumes import ct, hounsfield, normalize

from meddino_components.data.volumes.intensity_checks import check_intensities
from meddino_components.errors import InputError


def test_few_voxels_have_no_shares_and_the_file_is_named():
    # of 999 voxels no share is taken, whatever lies between 800 and 1300 HU
    dense = torch.full((1000,), 1000.0)
    dense[0] = -300
    check_intensities(dense[:999], "ct", "a.nii")
    with pytest.raises(InputError, match=r"a\.nii: given as CT, but 100% of the voxels lie between 800 and 1300 HU"):
        check_intensities(dense, "ct", "a.nii")


@pytest.mark.parametrize(("lowest", "is_mr"), [(-499.0, True), (-500.0, False)])
def test_how_low_mr_may_reach(lowest, is_mr):
    voxels = torch.tensor([lowest, 0.0, 800.0])
    if is_mr:
        check_intensities(voxels, "mr", "a")
    else:
        with pytest.raises(InputError, match="a: given as MR, but intensities reach down to -500, as in CT"):
            check_intensities(voxels, "mr", "a")


@pytest.mark.parametrize(
    ("values", "modality", "message"),
    [
        ((0, 100, 900), "ct", "as in MR"),
        ((-150, 100, 900), "ct", "as in MR"),
        ((0, 24, 1064, 4095), "ct", "subtract 1024"),
        ((-1000, 40, 900), "mr", "as in CT"),
    ],
)
def test_contradictory_intensities(values, modality, message):
    with pytest.raises(InputError, match=rf"{message}.*check_modality: false"):
        normalize(ct(values), modality=modality)
    normalize(ct(values), modality=modality, check_modality=False)


@pytest.mark.parametrize("padding", [None, -1024, -2000, -3024])
def test_scans_with_padding_pass(padding):
    normalize(hounsfield(padding=padding), modality="ct")


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (hounsfield(1024, padding=-2000), "as in CT stored without its rescale intercept, whose air is at 0"),
        (hounsfield(1000, padding=-1024), "as in CT stored without its rescale intercept, whose air is at 0"),
        (hounsfield(-1024), "the rescale intercept was applied twice: add 1024"),
        (hounsfield(-1000, padding=-4000), "the rescale intercept was applied twice"),
        (-hounsfield(), "or inverted"),
    ],
)
def test_shifted_and_inverted_ct_is_refused(volume, message):
    with pytest.raises(InputError, match=rf"{message}.*check_modality: false"):
        normalize(volume, modality="ct")
    normalize(volume, modality="ct", check_modality=False)


def test_real_ct_passes_and_shifted_does_not():
    if "MEDDINO_DATA" not in os.environ:
        pytest.skip("MEDDINO_DATA is not set: no folder with real data")
    root = Path(os.environ["MEDDINO_DATA"])
    paths = [*sorted(root.glob("openkbp_hn_ct/*_ct.nii.gz"))[:8], *root.glob("tcia_ct/*.nii.gz")]
    for path in [*paths, root / "totalseg_ct" / "example_ct.nii.gz"]:
        hu = torch.as_tensor(np.asanyarray(nib.load(path).dataobj)[::3, ::3, ::3], dtype=torch.float32)
        check_intensities(hu, "ct", "a")
        for shift in (1024, -1024):
            with pytest.raises(InputError, match="given as CT, but"):
                check_intensities(hu + shift, "ct", "a")
