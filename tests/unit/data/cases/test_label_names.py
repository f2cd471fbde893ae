"""What labels mean comes from the data set; names that contradict it are refused with both."""

import pytest
from set_folders import amos_set, brats_set, msd_set, nnunet_set

from meddino_components.data import AMOS_LABELS, class_names, label_names
from meddino_components.errors import InputError

AMOS = list(AMOS_LABELS.values())
LIVER = ["background", "liver", "cancer"]


def test_names_of_each_layout(tmp_path):
    assert class_names(dataset_dir=msd_set(tmp_path / "Task03_Liver")) == LIVER
    assert class_names(dataset_dir=nnunet_set(tmp_path / "n")) == ["background", "liver", "spleen"]
    assert class_names(dataset_dir=amos_set(tmp_path / "a")) == AMOS
    misspelt = {str(k): "arota" if name == "aorta" else name for k, name in AMOS_LABELS.items()}
    assert class_names(dataset_dir=amos_set(tmp_path / "b", labels=misspelt), stated=AMOS) == AMOS
    # a run that is handed its cases
    assert class_names(layout="amos") == AMOS
    assert class_names(stated={"0": "background", "1": "x"}) == ["background", "x"]


def test_names_that_are_stated(tmp_path):
    root = msd_set(tmp_path / "Task03_Liver")
    assert class_names(dataset_dir=root, stated=LIVER) == LIVER
    assert class_names(dataset_dir=root, stated=["Background", "LIVER", "cancer "])[1] == "LIVER"
    for stated in (AMOS, ["background", "cancer", "liver"], LIVER[:2], [*LIVER, "x"]):
        with pytest.raises(
            InputError, match=r"0 background, .* there, 0 background, 1 liver, 2 cancer in .*dataset\.json"
        ):
            class_names(dataset_dir=root, stated=stated)
    with pytest.raises(InputError, match=r"^the weights and dataset\.json have different label names"):
        class_names(dataset_dir=root, stated=AMOS, stated_by="the weights")


def test_names_that_nothing_states(tmp_path):
    root = brats_set(tmp_path / "brats", ["BraTS-GLI-00001-000"])
    assert class_names(dataset_dir=root, stated=LIVER) == LIVER
    with pytest.raises(InputError, match="the layout 'brats' has no label names"):
        class_names(dataset_dir=root)
    with pytest.raises(InputError, match="label_names is not set"):
        class_names(layout="msd")


def test_the_label_ignore_of_nnunet_is_no_organ(tmp_path):
    root = nnunet_set(tmp_path, labels={"background": 0, "liver": 1, "ignore": 2})
    for stated in (None, ["background", "liver"]):
        assert class_names(dataset_dir=root, stated=stated) == ["background", "liver"]
    with pytest.raises(InputError, match=r"different label names: .*2 ignore there, 0 background, 1 liver in"):
        class_names(dataset_dir=root, stated=["background", "liver", "ignore"])


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"background": 0, "whole tumour": [1, 2]}, "no regions"),
        ({"background": 0, "a": 2}, r"numbers \[0, 2\]; expected 0 \(background\), 1, 2"),
        ({"background": 0, "a": 1, "b": 1}, "two names the same id"),
        ({"background": 0}, r"numbers \[0\]"),
        (["background"], "expected one integer id per name"),
    ],
)
def test_labels_that_cannot_be_classes(tmp_path, labels, said):
    with pytest.raises(InputError, match=said):
        class_names(dataset_dir=nnunet_set(tmp_path, labels=labels))


def test_numbers_may_have_gaps_where_only_names_are_asked_for(tmp_path):
    assert label_names(nnunet_set(tmp_path, labels={"background": 0, "a": 2})) == {0: "background", 2: "a"}
