"""Slices of chosen slabs, in proportion."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from meddino_components.errors import InputError
from meddino_components.features.reference_slices import ReferenceSlices

SPACING = (1.0, 2.0, 5.0)


class Numbered:
    """A volume [1, 24, 8, 20] whose slices hold their number, with one pixel of organ in each."""

    def __init__(self):
        self.calls = 0

    def __call__(self, case):
        self.calls += 1
        image = torch.arange(20.0).expand(1, 24, 8, 20).clone()
        image[:, 0] = -5
        label = torch.zeros_like(image)
        label[:, 12, 4] = 3
        affine = torch.diag(torch.tensor([*SPACING, 1.0]))
        return {"image": MetaTensor(image, affine=affine), "label": MetaTensor(label, affine=affine)}


CASE = {"image": "a", "label": "b", "case_id": "c1"}


def make(data=(CASE,), **settings):
    return ReferenceSlices(data=data, preprocessing=Numbered(), **{"size_px": 48, **settings})


def test_slices_of_a_role():
    settings = {"slab_roles": ["train", "test", "train"], "gap": 2}
    train, test = (make(role=role, **settings) for role in ("train", "test"))
    assert [item["slice"] for item in train] == [0, 1, 2, 3, 4, 14, 15, 16, 17, 18, 19]
    assert [item["slice"] for item in test] == [7, 8, 9, 10, 11]
    assert [item["unit"] for item in train] == [0] * 5 + [1] * 6
    assert [float(item["image"].max()) for item in test] == [7, 8, 9, 10, 11]


def test_every_and_units():
    slices = make(data=(CASE, CASE), every=3, unit_slices=8)
    assert [item["slice"] for item in slices] == [0, 3, 6, 9, 12, 15, 18] * 2
    assert [item["unit"] for item in slices] == [0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4, 4, 5]
    assert {item["case_id"] for item in slices} == {"c1"}


def test_proportions_in_mm():
    """24 rows 1 mm apart and 8 columns 2 mm apart: 48 rows and 32 columns of half a millimetre."""
    item = make()[9]
    image, label = item["image"], item["label"]
    assert image.shape == label.shape == (1, 48, 48)
    assert (image.dtype, label.dtype) == (torch.float32, torch.uint8)
    assert (image[:, 4:, 8:40] == 9).all()
    assert (image[..., :8] == -5).all()
    assert (image[..., 40:] == -5).all()
    rows, columns = np.where(label[0] == 3)
    assert (rows.min(), rows.max()) == (24, 25)
    assert (columns.min(), columns.max()) == (8 + 16, 8 + 19)


def test_is_read_once_and_late():
    slices = make()
    assert slices.preprocessing.calls == 0
    assert len(slices) == 20
    assert [slices[k]["slice"] for k in range(3)] == [0, 1, 2]
    assert slices.preprocessing.calls == 1


def test_without_labels():
    slices = make(data=({"image": "a", "case_id": "x"},))
    assert "label" not in slices[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"role": "tset", "slab_roles": ["train", "test"]}, "no slab has the role 'tset'"),
        ({"data": (CASE, {"image": "a"})}, "some volumes"),
    ],
)
def test_bad_input(settings, message):
    with pytest.raises(InputError, match=message):
        make(**settings)


def test_no_volumes_are_told_when_asked_for():
    slices = make(data=())
    with pytest.raises(InputError, match="no volumes"):
        len(slices)


def test_too_few_slices():
    with pytest.raises(InputError, match="20 slices cannot be split"):
        len(make(role="a", slab_roles=["a", "b"], gap=30))


def test_cases_that_lack_annotations_are_refused():
    with pytest.raises(InputError, match=r"case c1: has classes or voxels .* which scores of patches"):
        make(data=[{**CASE, "annotated": ["liver"]}])
