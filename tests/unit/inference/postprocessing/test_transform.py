"""Post-processing of the items of a case."""

import numpy as np
import torch
from monai.data import MetaTensor

from meddino_components.inference import LargestComponent, PostprocessLabelsd, SmallestSize

NAMES = ["background", "liver"]


def prediction():
    labels = torch.zeros(1, 6, 5, 4, dtype=torch.uint8)
    labels[0, 0:2, 0:2, 0:2] = labels[0, 5, 4, 3] = 1
    return MetaTensor(labels, affine=torch.diag(torch.tensor([2.0, -3.0, 5.0, 1.0])), meta={"filename_or_obj": "x"})


def test_labels_change_and_the_rest_stays():
    before = prediction()
    case = {"pred": before, "case_id": "x"}
    after = PostprocessLabelsd("pred", steps={"liver": [LargestComponent()]}, label_names=NAMES)(case)
    assert (int(before.sum()), int(after["pred"].sum())) == (9, 8)
    assert after["pred"].meta["filename_or_obj"] == "x"
    assert np.array_equal(after["pred"].affine, before.affine)
    assert (after["pred"].dtype, after["case_id"]) == (torch.uint8, "x")


def test_volumes_are_those_of_the_affine():
    steps = {"liver": [SmallestSize(volume_ml=0.2)]}  # a voxel has 0.03 ml
    assert int(PostprocessLabelsd("pred", steps=steps, label_names=NAMES)({"pred": prediction()})["pred"].sum()) == 8
    plain = {"pred": torch.as_tensor(prediction()).as_tensor()}
    assert int(PostprocessLabelsd("pred", steps=steps, label_names=NAMES)(plain)["pred"].sum()) == 0


def test_without_steps_the_case_is_the_same():
    case = {"pred": prediction()}
    assert PostprocessLabelsd("pred", steps={}, label_names=NAMES)(case)["pred"] is case["pred"]
