"""nnU-Net's raw layout: cases by the names of files, or by the mapping of dataset.json."""

import pytest
from set_folders import nnunet_set, touch

from meddino_components.data import label_names, read_datalist
from meddino_components.data.cases.nnunet_raw import NNUNET_RAW
from meddino_components.errors import InputError


@pytest.mark.parametrize("ending", [None, "nii.gz", 3])
def test_an_ending_that_no_file_has(tmp_path, ending):
    nnunet_set(tmp_path, file_ending=ending)
    with pytest.raises(InputError, match=r"'file_ending' is .*; expected a suffix such as '\.nii\.gz'"):
        read_datalist(tmp_path, "nnunet_raw")


def test_an_official_validation_there_is_none(tmp_path):
    with pytest.raises(InputError, match="layout 'nnunet_raw' has no validation list of its own"):
        read_datalist(nnunet_set(tmp_path), "nnunet_raw", "official_validation")


def test_nnunet_raw(tmp_path):
    cases = read_datalist(nnunet_set(tmp_path), "nnunet_raw", "all_labelled")
    assert [case["case_id"] for case in cases] == ["case_a", "case_b"]
    assert (cases[0]["image"], cases[0]["modality"]) == (str(tmp_path / "imagesTr" / "case_a_0000.nii.gz"), "ct")
    assert label_names(tmp_path, "nnunet_raw") == {0: "background", 1: "liver", 2: "spleen"}


def test_nnunet_modality_must_be_known(tmp_path):
    nnunet_set(tmp_path, channels={"0": "T2"})
    with pytest.raises(InputError, match="'T2'"):
        read_datalist(tmp_path, "nnunet_raw", "all_labelled")
    assert read_datalist(tmp_path, "nnunet_raw", "all_labelled", modality="mr")[0]["modality"] == "mr"
    with pytest.raises(InputError, match="Correct one"):
        read_datalist(nnunet_set(tmp_path), "nnunet_raw", "all_labelled", modality="mr")


def test_nnunet_incomplete(tmp_path):
    with pytest.raises(InputError, match=r"numTraining is 5 .* 2 labels"):
        read_datalist(nnunet_set(tmp_path, numTraining=5), "nnunet_raw", "all_labelled")


def test_region_labels_are_refused(tmp_path):
    nnunet_set(tmp_path, labels={"background": 0, "whole tumour": [1, 2, 3]})
    with pytest.raises(InputError, match="no regions"):
        label_names(tmp_path, "nnunet_raw")


def test_the_cases_that_dataset_json_maps(tmp_path):
    root = nnunet_set(tmp_path / "d", names=())
    other = tmp_path / "elsewhere"
    for name in ("x", "y"):
        touch(other / f"{name}_0000.nii.gz")
        touch(other / f"{name}.nii.gz")
    mapped = {
        n: {"images": [f"../elsewhere/{n}_0000.nii.gz"], "label": str(other / f"{n}.nii.gz"), "patient": "p"}
        for n in ("y", "x")
    }
    nnunet_set(root, names=(), dataset=mapped, numTraining=2)
    first, second = read_datalist(root, section="all_labelled")
    assert (first["case_id"], second["case_id"], first["patient"]) == ("x", "y", "p")
    assert (first["label"], first["modality"]) == (str(other / "x.nii.gz"), "ct")
    with pytest.raises(InputError, match=r"numTraining is 3 but 'dataset' lists 2 labels"):
        read_datalist(nnunet_set(root, names=(), dataset=mapped, numTraining=3))
    mapped["x"]["images"].append("b.nii.gz")
    with pytest.raises(InputError, match=r"'dataset' has for x .*expected \{'images': \[one path\], 'label': path\}"):
        read_datalist(nnunet_set(root, names=(), dataset=mapped, numTraining=2))
    with pytest.raises(InputError, match="'dataset' is a list"):
        read_datalist(nnunet_set(root, names=(), dataset=[]))


def test_files_of_macos_are_no_labels(tmp_path):
    nnunet_set(tmp_path)
    for folder in ("imagesTr", "labelsTr", "imagesTs"):
        touch(tmp_path / folder / "._case_a_0000.nii.gz")
        touch(tmp_path / folder / "._case_a.nii.gz")
    assert len(read_datalist(tmp_path, section="all_labelled")) == 2


def test_test_images_have_the_labels_that_are_there(tmp_path):
    nnunet_set(tmp_path)
    for name in ("t1", "t2"):
        touch(tmp_path / "imagesTs" / f"{name}_0000.nii.gz")
    label = touch(tmp_path / "labelsTs" / "t1.nii.gz")
    first, second = read_datalist(tmp_path, section="test")
    assert first["label"] == str(label)
    assert "label" not in second


def test_mapped_cases_say_which_classes_were_annotated(tmp_path):
    listed = {
        name: {"images": [f"imagesTr/{name}_0000.nii.gz"], "label": f"labelsTr/{name}.nii.gz"}
        for name in ("case_a", "case_b")
    }
    listed["case_a"]["annotated"] = ["liver"]
    root = nnunet_set(tmp_path, dataset=listed)
    first, second = read_datalist(root, "nnunet_raw", "all_labelled")
    assert first["annotated"] == ["liver"]
    assert "annotated" not in second


def two_channels(root, channels=("CT", "PET"), **content):
    for name in ("case_a", "case_b"):
        touch(root / "imagesTr" / f"{name}_0001.nii.gz")
    return nnunet_set(root, channels={str(number): name for number, name in enumerate(channels)}, **content)


def test_several_channels_are_files_by_name_with_a_modality_each(tmp_path):
    first, second = read_datalist(two_channels(tmp_path), section="all_labelled")
    images = tmp_path / "imagesTr"
    assert first["image"] == {"CT": str(images / "case_a_0000.nii.gz"), "PET": str(images / "case_a_0001.nii.gz")}
    assert first["modality"] == second["modality"] == {"CT": "ct", "PET": "pet"}


def test_channels_of_one_modality(tmp_path):
    assert read_datalist(two_channels(tmp_path, ("T1", "T2")), section="all_labelled")[0]["modality"] == "mr"
    two_channels(tmp_path, ("noNorm", "my map"))
    found = read_datalist(tmp_path, section="all_labelled")[0]["modality"]
    assert found == {"noNorm": "nonorm", "my map": "zscore"}
    stated = read_datalist(tmp_path, section="all_labelled", modality={"my map": "rescale_to_0_1"})[0]["modality"]
    assert stated == {"noNorm": "nonorm", "my map": "rescale_to_0_1"}
    with pytest.raises(InputError, match=r"modality names 'CT', but case case_a has the channels noNorm, my map"):
        read_datalist(tmp_path, section="all_labelled", modality={"CT": "ct"})


def test_a_modality_that_contradicts_a_channel(tmp_path):
    with pytest.raises(InputError, match="the channel 'CT' is ct but the modality given is 'mr'"):
        read_datalist(two_channels(tmp_path), modality="mr")


def test_a_channel_without_its_file_and_a_file_without_its_channel(tmp_path):
    two_channels(tmp_path)
    extra = touch(tmp_path / "imagesTr" / "case_b_0002.nii.gz")
    with pytest.raises(InputError, match=r"case_b_0002\.nii\.gz: is channel 2, but channel_names of .* only CT, PET"):
        read_datalist(tmp_path)
    extra.unlink()
    (tmp_path / "imagesTr" / "case_b_0001.nii.gz").unlink()
    with pytest.raises(InputError, match=r"1 listed file cannot be found: .*case_b_0001\.nii\.gz"):
        read_datalist(tmp_path)


@pytest.mark.parametrize("channels", [{"1": "CT", "2": "PET"}, {"0": "T1ce", "1": "t1gd"}, {}, ["CT"]])
def test_channels_that_are_not_numbered_or_named(tmp_path, channels):
    root = nnunet_set(tmp_path, channel_names=channels)
    with pytest.raises(InputError, match=r"dataset\.json: channels are .*expected "):
        read_datalist(root, section="all_labelled")


def test_mapped_cases_of_several_channels(tmp_path):
    for name in ("ct", "pet", "label"):
        touch(tmp_path / "files" / f"{name}.nii.gz")
    entry = {"images": ["files/ct.nii.gz", "files/pet.nii.gz"], "label": "files/label.nii.gz"}
    channels = {"0": "CT", "1": "PET"}
    nnunet_set(tmp_path, names=(), channels=channels, dataset={"x": entry}, numTraining=1)
    (case,) = read_datalist(tmp_path, section="all_labelled")
    assert case["image"] == {name: str(tmp_path / "files" / f"{name.lower()}.nii.gz") for name in ("CT", "PET")}
    nnunet_set(tmp_path, names=(), channels=channels, dataset={"x": entry | {"images": entry["images"][:1]}})
    with pytest.raises(InputError, match=r"expected \{'images': \[a path for each of CT, PET\], 'label': path\}"):
        read_datalist(tmp_path)


def test_voxels_to_ignore_have_the_number_of_what_nobody_annotated(tmp_path):
    nnunet_set(tmp_path, labels={"background": 0, "liver": 1, "ignore": 2})
    assert [case["label_values"] for case in read_datalist(tmp_path, section="all_labelled")] == [{"2": 255}] * 2
    assert label_names(tmp_path) == {0: "background", 1: "liver"}


def test_regions_belong_to_the_layout(tmp_path):
    labels = {"background": 0, "tumour": [1, 2], "core": [2]}
    root = nnunet_set(tmp_path, labels=labels, regions_class_order=[1, 2])
    assert NNUNET_RAW.regions(root).members == ((1, 2), (2,))
