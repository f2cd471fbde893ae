"""A planted structure is on its own side of the source's grid, whatever the slices that the network saw."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import Dataset
from monai.transforms import Compose, Invertd, Orientationd
from nibabel.orientations import axcodes2ornt, ornt_transform
from scipy.spatial.transform import Rotation

from meddino_components.data import LoadVolumed
from meddino_components.inference import CaseEvaluator, VolumeInferer, WriteCased

PLANES = ("PLS", "ILP", "IPL")


class ByIntensity(torch.nn.Module):
    """Label 1 from 1 on, label 2 from 2 on, by one of the channels."""

    def __init__(self, channel=0):
        super().__init__()
        self.channel = channel

    def forward(self, windows):
        value = windows[:, self.channel]
        return torch.stack([0.5 - value, 1 - (value - 1).abs(), value - 1.5], dim=1)


def patient():
    """To the right, front and top: a tall structure (1) on the right, a short one (2) on the left and in front."""
    voxels = np.zeros((12, 24, 28), np.float32)
    voxels[8:11, 4:9, 3:20] = 1
    voxels[1:3, 12:21, 18:25] = 2
    return voxels


def segmented(tmp_path, stored, axcodes, channel=0, oblique=False, **settings):
    turn = Rotation.from_euler("zxy", (14, -8, 11), degrees=True).as_matrix() if oblique else np.eye(3)
    affine = np.eye(4)
    affine[:3, :3] = turn * (4.0, 0.9, 0.8)
    image = nib.Nifti1Image(patient(), affine)
    image = image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(stored)))
    nib.save(image, tmp_path / "a.nii.gz")
    before = Compose([LoadVolumed("image"), Orientationd("image", axcodes=axcodes, labels=None)])
    output = tmp_path / axcodes
    case = {"image": str(tmp_path / "a.nii.gz"), "case_id": "a"}
    CaseEvaluator(
        device="cpu",
        dataset=Dataset([case], before),
        network=ByIntensity(channel),
        inferer=VolumeInferer(roi_size=(32, 32), overlap=0.25, **settings),
        output_dir=output,
        postprocessing=Compose([Invertd("pred", before, "image")]),
        writer=WriteCased(output_dir=output, label_names=("background", "tall", "short"), overlay=False),
    ).run()
    found = nib.load(output / "a.nii.gz")
    np.testing.assert_array_equal(found.affine, nib.load(tmp_path / "a.nii.gz").affine)
    back = found.as_reoriented(ornt_transform(axcodes2ornt(stored), axcodes2ornt("RAS")))
    return np.asarray(back.dataobj)


@pytest.mark.parametrize("axcodes", PLANES)
@pytest.mark.parametrize(("stored", "oblique"), [("RAS", False), ("PIR", False), ("LPS", True), ("SLA", True)])
def test_labels_lie_where_the_structures_are(tmp_path, axcodes, stored, oblique):
    np.testing.assert_array_equal(segmented(tmp_path, stored, axcodes, oblique=oblique), patient())


@pytest.mark.parametrize(("axcodes", "axis", "towards"), [("PLS", 2, 1), ("ILP", 1, -1), ("IPL", 0, -1)])
def test_neighbours_follow_the_slices(tmp_path, axcodes, axis, towards):
    """What the slice before holds is labelled here: one slice further upwards, to the back, to the left."""
    found = segmented(tmp_path, "LIP", axcodes, channel=0, context_slices=3)
    np.testing.assert_array_equal(found, np.roll(patient(), towards, axis))


@pytest.mark.parametrize("axcodes", PLANES)
@pytest.mark.parametrize("settings", [{"crop_to_body": True}, {"mirror_axes": (0, 1)}])
def test_cropping_and_mirroring(tmp_path, axcodes, settings):
    np.testing.assert_array_equal(segmented(tmp_path, "PIR", axcodes, **settings), patient())
