"""Tasks of the Medical Segmentation Decathlon: one channel, or several in 4D files, whose names say the modality."""

import nibabel as nib
import numpy as np
import pytest
from decathlon import TASKS, decathlon_set
from set_folders import msd_set

from meddino_components.data import LoadSequencesd, class_names, find_layout, read_datalist
from meddino_components.data.cases.msd import MSD
from meddino_components.errors import InputError


def test_cases_and_labels(tmp_path):
    root = msd_set(tmp_path)
    cases = MSD.read(root, "training", None)
    assert [(case["case_id"], case["modality"]) for case in cases] == [
        ("liver_0", "ct"),
        ("liver_1", "ct"),
        ("liver_10", "ct"),
    ]
    assert MSD.labels(root) == {0: "background", 1: "liver", 2: "cancer"}


def test_a_channel_of_another_name_needs_a_stated_modality(tmp_path):
    root = msd_set(tmp_path, modality={"0": "MRI"})
    assert {case["modality"] for case in MSD.read(root, "all_labelled", "mr")} == {"mr"}
    with pytest.raises(InputError, match=r"the channel is named 'MRI', which is not 'CT'\. State the modality"):
        MSD.read(root, "all_labelled", None)


def test_sections_that_it_has_not(tmp_path):
    with pytest.raises(InputError, match="layout 'msd' has no validation list of its own"):
        MSD.read(msd_set(tmp_path), "official_validation", None)


def test_recognised_by_modality_and_images(tmp_path):
    assert MSD.recognises(tmp_path, {"modality": {"0": "CT"}, "training": ["a.nii.gz"]})
    assert not MSD.recognises(tmp_path, {"modality": {"0": "CT"}, "training": []})
    assert not MSD.recognises(tmp_path, {"training": ["a.nii.gz"]})


@pytest.mark.parametrize("task", TASKS)
def test_the_ten_tasks_as_published(tmp_path, task):
    root = decathlon_set(tmp_path, task)
    channels, labels, prefix = TASKS[task]
    stated = "mr" if channels == ("MRI",) else None  # a single channel called MRI needs the user's word
    modality = "ct" if channels == ("CT",) else "mr"
    assert find_layout(root) == "msd"
    cases = read_datalist(root, section="all_labelled", modality=stated)
    assert [case["case_id"] for case in cases] == [f"{prefix}_001", f"{prefix}_002"]
    assert {case["modality"] for case in cases} == {modality}
    assert [case.get("channels") for case in cases] == [list(channels) if len(channels) > 1 else None] * 2
    (test,) = read_datalist(root, section="test", modality=stated)
    assert (test["case_id"], "label" in test) == (f"{prefix}_003", False)
    assert class_names(dataset_dir=root) == list(labels)


def save_channels(root, shape=(6, 5, 4, 2), case="prostate_001"):
    voxels = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    path = root / "imagesTr" / f"{case}.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([0.6, 0.6, 3.6, 1])), path)
    return path, voxels


@pytest.mark.parametrize("sequences", [("T2", "ADC"), ("adc", "t2w")])
def test_a_file_with_channels_becomes_one_volume_in_the_order_of_the_run(tmp_path, sequences):
    root = decathlon_set(tmp_path, "Task05_Prostate")
    path, voxels = save_channels(root)
    case = read_datalist(root, section="all_labelled")[0]
    image = LoadSequencesd("image", sequences=sequences)(case)["image"]
    order = [0, 1] if sequences[0] == "T2" else [1, 0]
    np.testing.assert_array_equal(image.numpy(), voxels.transpose(3, 0, 1, 2)[order])
    np.testing.assert_allclose(image.affine, np.diag([0.6, 0.6, 3.6, 1]), rtol=1e-6)
    assert image.meta["filename_or_obj"] == str(path)
    assert image.meta["spatial_shape"].tolist() == [6, 5, 4]


@pytest.mark.parametrize(
    ("shape", "sequences", "said"),
    [
        ((6, 5, 4, 3), ("T2", "ADC"), "so 3 channels; expected 2 channels along a fourth axis, as the data set states"),
        ((6, 5, 4), ("T2", "ADC"), "so 3 axes; expected 2 channels along a fourth axis"),
        ((6, 5, 4, 2), ("T2", "DWI"), "has the channels T2, ADC; expected T2, DWI, but DWI is missing"),
        ((6, 5, 4, 2), ("image",), "has the channels T2, ADC, but the network has one, image. Set channel_names"),
    ],
)
def test_a_file_with_other_channels_is_refused(tmp_path, shape, sequences, said):
    root = decathlon_set(tmp_path, "Task05_Prostate")
    save_channels(root, shape)
    case = read_datalist(root, section="all_labelled")[0]
    with pytest.raises(InputError) as refused:
        LoadSequencesd("image", sequences=sequences)(case)
    assert said in str(refused.value)


def test_an_empty_channel_is_named(tmp_path):
    root = decathlon_set(tmp_path, "Task05_Prostate")
    path, voxels = save_channels(root)
    voxels[..., 1] = 0
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    with pytest.raises(InputError, match=r"prostate_001\.nii\.gz: channel ADC: every voxel is 0"):
        LoadSequencesd("image", sequences=("T2", "ADC"))(read_datalist(root, section="all_labelled")[0])
