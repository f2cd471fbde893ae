"""Labels of every convention as regions within each other."""

import nibabel as nib
import numpy as np
import pytest
import torch
from brats_volumes import write_brats_case
from monai.data import MetaTensor
from monai.transforms import ConvertToMultiChannelBasedOnBratsClasses

from meddino_components.data import LabelsToRegionsd, LoadRegionLabelsd, Regions, brats_regions
from meddino_components.errors import InputError


@pytest.mark.parametrize(("convention", "enhancing"), [("brats2021", 4), ("brats2023", 3)])
def test_masks_are_those_of_monai(convention, enhancing):
    labels = torch.tensor([0, 1, 2, enhancing])[torch.randint(4, (1, 5, 4, 3))]
    core, whole, inner = ConvertToMultiChannelBasedOnBratsClasses(et_label=enhancing)(labels)
    regions = brats_regions(convention)
    assert torch.equal(regions.masks(labels), torch.stack([whole, core, inner]))
    case = LabelsToRegionsd("pred", regions=regions)({"pred": MetaTensor(labels.to(torch.uint8))})
    assert torch.equal(case["pred"], torch.stack([whole, core, inner]).float())


def test_innermost_region_and_back():
    regions = brats_regions("brats2013")
    labels = np.array([[0, 1, 2, 3, 4]])
    numbers = regions.innermost(labels)
    assert numbers.tolist() == [[0, 2, 1, 2, 3]]
    assert np.array((0, *regions.written))[numbers].tolist() == [[0, 1, 2, 1, 4]]


@pytest.mark.parametrize(
    ("members", "written"),
    [
        (((1, 2), (1, 3)), (2, 1)),  # not within
        (((1, 2), (1, 2)), (2, 1)),  # the same
        (((1, 2), (1,)), (1, 1)),  # the outer one's label belongs to the inner one
    ],
)
def test_regions_that_do_not_lie_within_each_other(members, written):
    with pytest.raises(ValueError, match="are not nested"):
        Regions(convention="c", label_names=((1, "a"), (2, "b")), names=("x", "y"), members=members, written=written)


@pytest.mark.parametrize(
    ("stated", "enhancing", "strange"),
    [("brats2021", 3, "label 3"), ("brats2023", 4, "label 4"), ("msd", 4, "label 4"), ("brats2021", 7, "label 7")],
)
def test_labels_of_another_year_are_refused_with_the_way_out(tmp_path, stated, enhancing, strange):
    path = write_brats_case(tmp_path, "a", enhancing=enhancing)["seg"]
    with pytest.raises(InputError, match=rf"a_seg\.nii\.gz: contains {strange}; '{stated}' expects 1 \(") as error:
        LoadRegionLabelsd("label", regions=brats_regions(stated))({"label": str(path)})
    assert "4 in BraTS until 2022 and 3 from 2023 on: set label_convention" in str(error.value)


@pytest.mark.parametrize(("stated", "enhancing"), [("brats2021", 4), ("brats2023", 3), ("brats2013", 4)])
def test_labels_of_the_year_stated_pass_as_they_are(tmp_path, stated, enhancing):
    path = write_brats_case(tmp_path, "a", enhancing=enhancing)["seg"]
    label = LoadRegionLabelsd("label", regions=brats_regions(stated))({"label": str(path)})["label"]
    np.testing.assert_array_equal(label[0].numpy(), np.asarray(nib.load(path).dataobj))


def test_labels_that_nobody_annotated_are_read_by_name_and_to_be_ignored(tmp_path):
    path = write_brats_case(tmp_path, "a", enhancing=4)["seg"]
    load, case = LoadRegionLabelsd("label", regions=brats_regions("brats2021")), {"label": str(path), "case_id": "a"}
    plain = load(case)["label"].numpy()
    found = load({**case, "label_values": {"4": 255}, "annotated": ["oedema", "non-enhancing core"]})
    np.testing.assert_array_equal(found["label"].numpy(), np.where(plain == 4, 255, plain))
    assert found["annotated"].tolist() == [True, True, True, True, False]
    with pytest.raises(InputError, match=r"a_seg\.nii\.gz: contains label 4 \(enhancing tumour\), but the case says"):
        load({**case, "annotated": ["oedema", "non-enhancing core"]})
