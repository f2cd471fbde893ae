"""Numbers that a series must have."""

from pathlib import Path

import pytest

from meddino_components.data.volumes.dicom.headers import SliceHeader
from meddino_components.data.volumes.dicom.tag_values import numbers_of
from meddino_components.errors import InputError


def spacing(text):
    header = SliceHeader(path=Path("scan/7.dcm"), tags={"pixel_spacing": text})
    return numbers_of(header, "pixel_spacing", 2, "PixelSpacing", Path("scan"))


def test_as_many_numbers_as_wanted():
    assert spacing("0.7\\0.9").tolist() == [0.7, 0.9]


@pytest.mark.parametrize("text", ["", "0.7", "0.7\\nan", "0.7\\wide", "1\\2\\3"])
def test_anything_else_names_file_and_tag(text):
    with pytest.raises(InputError, match=r"scan: 7\.dcm has PixelSpacing '.*'; expected 2 numbers"):
        spacing(text)
