"""The modality of a channel follows from its name, as in nnU-Net."""

import pytest

from meddino_components.data.volumes.channel_modality import (
    joint_modality,
    modality_of_channel,
    parse_case_modality,
)
from meddino_components.errors import InputError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CT", "ct"),
        ("ct", "ct"),
        ("PET", "pet"),
        ("MRI", "mr"),
        ("FLAIR", "mr"),
        ("ADC", "mr"),
        ("noNorm", "nonorm"),
        ("rescale_to_0_1", "rescale_to_0_1"),
        ("zscore", "zscore"),
        ("ultrasound", "zscore"),
    ],
)
def test_name_of_a_channel(name, expected):
    assert modality_of_channel(name, "dataset.json") == expected


def test_pictures_are_refused():
    with pytest.raises(InputError, match="'rgb_to_0_1' is one of a colour picture"):
        modality_of_channel("rgb_to_0_1", "dataset.json")


def test_one_modality_for_all_channels_if_they_agree():
    assert joint_modality({"T2": "mr", "ADC": "mr"}) == "mr"
    assert joint_modality({"CT": "ct", "PET": "pet"}) == {"CT": "ct", "PET": "pet"}
    assert joint_modality({"a": "pet", "b": "pet"}) == {"a": "pet", "b": "pet"}


def test_parsing():
    assert parse_case_modality("CT", "modality") == "ct"
    assert parse_case_modality({"CT": "CT", "PET": "pet"}, "modality") == {"CT": "ct", "PET": "pet"}
    with pytest.raises(InputError, match=r"modality of channel 'PET' is 'pt'; expected one of ct, mr, pet"):
        parse_case_modality({"PET": "pt"}, "modality")
    with pytest.raises(InputError, match="modality is 'pet'; expected 'ct' or 'mr'"):
        parse_case_modality("pet", "modality")
