"""The table of normalisation, and a fingerprint in place of its row for CT."""

import pytest

from meddino_components.data import NormalizeIntensityByModalityd, stated_fingerprint
from meddino_components.data.volumes.intensity_table import parse_fingerprint
from meddino_components.errors import InputError

FINGERPRINT = {"percentile_00_5": -900.0, "percentile_99_5": 300.0, "mean": 50.0, "std": 100.0}


@pytest.mark.parametrize(
    "broken", [{"mean": 1.0}, FINGERPRINT | {"std": 0.0}, FINGERPRINT | {"percentile_00_5": 400.0}]
)
def test_bad_fingerprint(broken):
    with pytest.raises(InputError, match="fingerprint"):
        NormalizeIntensityByModalityd(keys="image", fingerprint=broken)


def test_numbers_in_any_form_and_what_is_beside_them():
    typed = {"_desc_": "abdomen", **{name: str(value) for name, value in FINGERPRINT.items()}}
    assert parse_fingerprint(typed) == FINGERPRINT
    with pytest.raises(InputError, match=r"fingerprint lacks percentile_99_5, std; expected percentile_00_5, "):
        parse_fingerprint({"percentile_00_5": 0, "mean": 1})


def test_a_configuration_that_cannot_do_without_one():
    assert stated_fingerprint(FINGERPRINT) == FINGERPRINT
    with pytest.raises(InputError, match=r"fingerprint is null.*plan DATASET_DIR LAYOUT --output plan\.json"):
        stated_fingerprint(None)
