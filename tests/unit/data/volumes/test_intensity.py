"""Intensities are normalised by the rule for the modality, which somebody states."""

import pytest
import torch
from intensity_volumes import ct, normalize
from monai.data import MetaTensor

from meddino_components.data import NormalizeIntensityByModalityd
from meddino_components.errors import InputError

FINGERPRINT = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 50.0, "std": 100.0}


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


def test_each_channel_by_its_own_modality():
    generator = torch.Generator().manual_seed(0)
    volume = torch.rand((5, 12, 12, 12), generator=generator) * 1000 + 50
    volume[0, :6], volume[0, 6:] = -1000, volume[0, 6:] / 10
    modality = {"CT": "ct", "T2": "mr", "PET": "pet", "map": "rescale_to_0_1", "raw": "nonorm"}
    raw = volume.clone()
    found = normalize(volume, modality=modality)
    for number, alone in enumerate(("ct", "mr")):
        torch.testing.assert_close(found[number], normalize(raw[number][None].clone(), modality=alone)[0])
    torch.testing.assert_close(found[2], (raw[2] - raw[2].mean()) / raw[2].std(correction=0))
    assert (found[3].min(), found[3].max()) == (0, 1)
    assert torch.equal(found[4], raw[4])


def test_channels_of_mr_are_normalised_one_by_one():
    volume = torch.cat([mr(), 20 * mr()])
    found = normalize(volume.clone(), modality="mr")
    torch.testing.assert_close(found[:1], normalize(volume[:1].clone(), modality="mr"))
    torch.testing.assert_close(found[1], found[0])


def test_channels_and_modalities_that_do_not_match():
    with pytest.raises(InputError, match="has 1 channels, but a modality for CT, PET; expected one for each channel"):
        normalize(mr(), modality={"CT": "ct", "PET": "pet"})
    with pytest.raises(InputError, match=r"background is 0, .*CT \(ct\), PET \(pet\).*Set `background: null`"):
        normalize(torch.cat([mr(), mr()]), modality={"CT": "ct", "PET": "pet"}, background=0)
    with pytest.raises(InputError, match="image: PET: all voxels have the same value"):
        normalize(torch.cat([mr(), 0 * mr()]), modality={"T2": "mr", "PET": "pet"})
