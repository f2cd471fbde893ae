"""Images that MONAI Deploy's operator read: checked as a file is."""

import numpy as np
import pytest
import torch
from brats_volumes import brain
from monai.data import MetaTensor
from volume_files import PATIENT, ct_voxels

from meddino_components.data import LoadSequencesd, LoadVolumed
from meddino_components.errors import InputError

AFFINE = np.diag([-0.7, -0.9, 4.0, 1.0])


def image(voxels=None, affine=AFFINE, **meta):
    voxels = ct_voxels() if voxels is None else voxels
    return MetaTensor(torch.as_tensor(voxels), affine=torch.as_tensor(affine), meta=meta)


def load(value, **case):
    return LoadVolumed("image")({"image": value, "case_id": "c", **case})["image"]


@pytest.mark.parametrize("shape", [(24, 20, 5), (1, 24, 20, 5), (24, 20, 5, 1)])
def test_an_image_in_memory_passes(shape):
    volume = load(image(ct_voxels().reshape(shape), PatientName=PATIENT["name"], filename_or_obj="/a/b.nii.gz"))
    np.testing.assert_array_equal(volume.numpy()[0], ct_voxels())
    assert volume.dtype == torch.float32
    np.testing.assert_array_equal(volume.affine.numpy(), AFFINE)
    np.testing.assert_array_equal(volume.meta["original_affine"], AFFINE)
    assert volume.meta["filename_or_obj"] == "/a/b.nii.gz"
    assert "PatientName" not in volume.meta


def test_lps_becomes_ras():
    volume = load(image(affine=np.diag([0.7, 0.9, 4.0, 1.0]), space="LPS"))
    np.testing.assert_array_equal(volume.affine.numpy(), AFFINE)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ct_voxels(), "ndarray.* does not contain its grid"),
        (torch.zeros(1, 4, 4, 4), "Tensor.* does not contain its"),
        ([image()], "is of type list; expected one path"),
        (image(affine=np.diag([0.0, 1, 1, 1])), "spacing"),
        (image(np.zeros((4, 4, 4))), "every voxel is 0"),
        (image(np.full((4, 4, 4), np.nan)), "NaN"),
        (image(np.ones((4, 4, 4, 3))), "one 3D volume"),
    ],
)
def test_others_are_refused_in_one_line(value, message):
    with pytest.raises(InputError, match=message) as error:
        load(value)
    assert "c" in str(error.value)
    assert "\n" not in str(error.value)


def test_sequences_in_memory_by_name():
    images, _ = brain()
    names = ("t1", "t1ce", "t2", "flair")
    volumes = {name: image(images[name]) for name in names}
    transform = LoadSequencesd("image", sequences=names)
    loaded = transform({"image": volumes, "case_id": "c"})["image"]
    np.testing.assert_array_equal(loaded.numpy(), np.stack([images[name] for name in names]))
    with pytest.raises(
        InputError, match=r"is a list of 4 \(MetaTensor\); expected .*a MetaTensor for each by name"
    ) as error:
        transform({"image": list(volumes.values()), "case_id": "c"})
    assert len(str(error.value)) < 400
