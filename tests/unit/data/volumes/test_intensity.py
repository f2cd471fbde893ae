import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddino_components.data import NormalizeIntensityByModalityd
from meddino_components.data.volumes.intensity_checks import check_intensities
from meddino_components.errors import InputError

FINGERPRINT = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 50.0, "std": 100.0}


def ct(values=(-3024, -2000, -1000, 0, 65.1084213, 1000, 30000)) -> MetaTensor:
    return MetaTensor(torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1))


def normalize(volume, **kwargs):
    return NormalizeIntensityByModalityd(keys="image", **kwargs)({"image": volume})["image"]


def test_ct_by_the_table():
    low, high = (-1000 - 65.1084213) / 178.0166321, (1000 - 65.1084213) / 178.0166321
    expected = torch.tensor([low, low, low, -65.1084213 / 178.0166321, 0, high, high])
    torch.testing.assert_close(normalize(ct(), modality="ct").flatten().as_tensor(), expected, atol=1e-5, rtol=0)


def test_ct_by_a_fingerprint():
    result = normalize(ct(), modality="ct", fingerprint=FINGERPRINT).flatten()
    torch.testing.assert_close(result[[0, 3, 6]].as_tensor(), torch.tensor([-9.5, -0.5, 2.5]))


def test_float32_changes_in_place_and_stays_a_metatensor():
    volume = ct()
    result = normalize(volume, modality="CT")
    assert isinstance(result, MetaTensor)
    assert result.data_ptr() == volume.data_ptr()
    assert normalize(ct().to(torch.int16), modality="ct").dtype == torch.float32


def mr(gain=1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    volume = torch.rand(1, 40, 40, 20, generator=generator) * 10
    volume[:, 8:32, 8:32] = 500 + 100 * torch.randn(1, 24, 24, 20, generator=generator)
    volume[0, 20, 20, 10] = 1e5
    return volume * gain


def test_mr_is_robust_and_free_of_scale():
    result = normalize(mr(), modality="mr")
    foreground = result[:, 8:32, 8:32]
    assert abs(float(foreground.mean())) < 0.02
    assert abs(float(foreground.std()) - 1) < 0.02
    assert float(result.max()) < 3  # the spike is clipped
    torch.testing.assert_close(normalize(mr(gain=7.0), modality="mr"), result, atol=1e-4, rtol=0)


def test_modality_comes_from_argument_or_case_and_is_never_guessed():
    transform = NormalizeIntensityByModalityd(keys="image")
    transform({"image": ct(), "modality": "ct"})
    with pytest.raises(InputError, match="no modality stated"):
        transform({"image": ct()})
    with pytest.raises(InputError, match="'ct' or 'mr'"):
        transform({"image": ct(), "modality": "pet"})
    with pytest.raises(InputError, match="Correct one"):
        NormalizeIntensityByModalityd(keys="image", modality="mr")({"image": ct(), "modality": "ct"})


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


def test_mr_mask_is_refused():
    with pytest.raises(InputError, match="one value"):
        normalize(ct((0, 0, 1, 1)), modality="mr")


@pytest.mark.parametrize(
    "broken", [{"mean": 1.0}, FINGERPRINT | {"std": 0.0}, FINGERPRINT | {"percentile_00_5": 400.0}]
)
def test_bad_fingerprint(broken):
    with pytest.raises(InputError, match="fingerprint"):
        NormalizeIntensityByModalityd(keys="image", fingerprint=broken)


def hounsfield(shift=0.0, padding=None) -> MetaTensor:
    """Air, fat, tissue and bone in the shares of a chest, shifted."""
    generator = np.random.default_rng(0)
    levels = [(-1000, 10, 0.6), (-90, 20, 0.15), (50, 30, 0.2), (400, 150, 0.04), (1000, 150, 0.01)]
    values = np.concatenate([generator.normal(mean, std, int(40_000 * share)) for mean, std, share in levels]) + shift
    if padding is not None:
        values[:2000] = padding
    return MetaTensor(torch.as_tensor(values, dtype=torch.float32).reshape(1, 40, 40, -1))


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
