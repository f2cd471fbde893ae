"""What a new bundle says of its data set is stated, or read from the data set."""

import pytest
import yaml
from bundle_data import WRITERS, nnunet_regions
from channel_sets import ct_pet_set, prostate_set

from meddino_components.bundle.new_data_set import new_data_set
from meddino_components.data import AMOS_LABELS
from meddino_components.errors import InputError

TEMPLATE = {"dataset_dir": "", "dataset_layout": None, "modality": None, "channel_names": ["image"], "label_names": []}
REGIONS = {
    "dataset_dir": "",
    "dataset_layout": "brats",
    "modality": "mr",
    "label_convention": "brats2021",
    "channel_names": ["t1"],
}
NOTHING = dict.fromkeys(("dataset_layout", "dataset_dir", "modality", "label_names"))
NAMES = {0: "background", 1: "yes", 2: "2"}


def made(template=TEMPLATE, **stated):
    return new_data_set(template, like="template", **{**NOTHING, **stated})


@pytest.mark.parametrize(("layout", "modality"), [("msd", "ct"), ("nnunet_raw", "ct")])
def test_layout_labels_and_modality_are_read(tmp_path, layout, modality):
    found = made(dataset_dir=WRITERS[layout](tmp_path, NAMES, modality, 2))
    assert (found.settings["dataset_layout"], found.modality) == (layout, modality)
    assert found.label_names == ("background", "yes", "2")
    # names that YAML would take for something else stay texts
    layer = yaml.safe_load(found.layer())
    assert layer == {**TEMPLATE, "dataset_layout": layout, "modality": "ct", "label_names": ["background", "yes", "2"]}
    assert found.task("") == "Segmentation of yes, 2 in CT"


def test_a_data_set_that_is_elsewhere_is_stated():
    found = made(dataset_layout="dicom", label_names=["background", "a", "b", "c", "d", "e"])
    assert (found.modality, found.settings["modality"]) == (None, None)
    assert found.task("") == "Segmentation of 5 structures in CT or MR"
    assert made(dataset_layout="amos").label_names == tuple(AMOS_LABELS.values())


def test_regions_keep_their_convention():
    found = made(REGIONS, dataset_layout="brats")
    assert (found.label_names, found.modality, found.task("regions")) == (None, "mr", "regions")
    assert dict(found.settings) == REGIONS


def test_regions_of_the_data_set_come_before_those_of_the_template(tmp_path):
    root = nnunet_regions(tmp_path, n_cases=2)
    found = made(REGIONS, dataset_dir=root)
    expected = {
        "dataset_layout": "nnunet_raw",
        "modality": "ct",
        "label_convention": "data_set",
        "channel_names": ["image"],
    }
    assert dict(found.settings) == REGIONS | expected
    assert found.task("") == "Segmentation of whole, core in CT"
    outputs = found.outputs()
    assert (outputs.n_channels, dict(outputs.labels)) == (2, {0: "background", 1: "rest of whole", 2: "core"})
    assert "the nested regions whole, core" in outputs.in_words
    with pytest.raises(InputError, match=r"new_bundle makes with --like meddinov3_seg_kits23"):
        made(dataset_dir=root)


@pytest.mark.parametrize(
    ("stated", "template", "said"),
    [
        ({}, TEMPLATE, "the data set is not described: give --dataset_dir, or --dataset_layout and --label_names"),
        ({"dataset_layout": "msd"}, TEMPLATE, "the labels are not known: give --dataset_dir .* or --label_names"),
        ({"dataset_layout": "nnunet"}, TEMPLATE, "dataset_layout is 'nnunet'; expected one of amos"),
        ({"dataset_layout": "brats"}, TEMPLATE, "template is for data sets of one image a case"),
        (
            {"dataset_layout": "msd"},
            REGIONS,
            "template is for data sets of the layout brats, and dataset_layout is msd",
        ),
        ({"dataset_layout": "brats", "modality": "ct"}, REGIONS, "has MR and regions: leave --label_names and --mod"),
        ({"dataset_layout": "msd", "label_names": ["liver"]}, TEMPLATE, "label_names has the numbers"),
    ],
)
def test_what_is_missing_or_contradicts_is_named(stated, template, said):
    with pytest.raises(InputError, match=said):
        made(template, **stated)


def test_names_that_contradict_the_data_set(tmp_path):
    root = WRITERS["msd"](tmp_path, NAMES, "ct", 2)
    with pytest.raises(InputError, match=r"label_names and dataset\.json have different label names"):
        made(dataset_dir=root, label_names=["background", "no", "2"])
    with pytest.raises(InputError, match="the channel is named 'CT' but the modality given is 'mr'"):
        made(dataset_dir=root, modality="mr")


def test_channels_are_those_of_the_data_set(tmp_path):
    found = made(dataset_dir=ct_pet_set(tmp_path / "ct"))
    assert found.settings["channel_names"] == ["CT", "PET"]
    assert found.modality == found.settings["modality"] == {"CT": "ct", "PET": "pet"}
    assert found.task("") == "Segmentation of lesion in CT and PET"
    assert found.channels_in_words() == "the channels CT, PET"
    found = made(dataset_dir=prostate_set(tmp_path / "mr"))
    assert (found.settings["channel_names"], found.modality) == (["T2", "ADC"], "mr")
