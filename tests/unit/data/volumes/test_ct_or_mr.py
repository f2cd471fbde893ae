"""The modality by its name."""

import pytest

from meddino_components.data.volumes.ct_or_mr import parse_modality
from meddino_components.errors import InputError


@pytest.mark.parametrize(("value", "modality"), [("ct", "ct"), ("CT", "ct"), ("Mr", "mr")])
def test_names_in_any_case(value, modality):
    assert parse_modality(value, "modality") == modality


@pytest.mark.parametrize("value", ["pet", "", "mri", "ct ", None, 1, ["ct"]])
def test_what_is_neither(value):
    with pytest.raises(InputError) as error:
        parse_modality(value, "case a: modality")
    assert str(error.value) == f"case a: modality is {value!r}; expected 'ct' or 'mr'."
