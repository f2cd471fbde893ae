"""A layout is recognised where it is unmistakable, and one that the folder contradicts is refused."""

import pytest
from set_folders import amos_set, brats_set, msd_set, nnunet_set, touch, write_json

from meddino_components.data import find_layout, read_datalist
from meddino_components.errors import InputError

SETS = {
    "amos": amos_set,
    "msd": msd_set,
    "nnunet_raw": nnunet_set,
    "brats": lambda root: brats_set(root, ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]),
}


@pytest.mark.parametrize("layout", SETS)
def test_recognised(tmp_path, layout):
    root = SETS[layout](tmp_path)
    assert find_layout(root) == find_layout(root, layout) == layout
    assert read_datalist(root, section="all_labelled") == read_datalist(root, layout, "all_labelled")
    for other in set(SETS) - {layout}:
        with pytest.raises(InputError, match=f"dataset_layout is '{other}', but the folder has the layout '{layout}'"):
            read_datalist(root, other)


def test_sequences_beside_the_dataset_json_that_they_were_made_from(tmp_path):
    brats_set(msd_set(tmp_path), ["BRATS_001"])
    assert find_layout(tmp_path, "brats") == "brats"
    assert find_layout(tmp_path) == "msd"


def test_a_list_of_sequences_and_a_run_that_is_handed_its_cases(tmp_path):
    assert find_layout(tmp_path / "list.json") == "brats"
    assert find_layout("", None, "amos") == "amos"
    assert find_layout("", "msd", "amos") == "msd"
    with pytest.raises(InputError, match="dataset_dir is empty"):
        find_layout()


def test_what_is_not_recognised_names_the_key_and_its_values(tmp_path):
    touch(tmp_path / "images" / "a.nii.gz")
    with pytest.raises(InputError, match=r"dataset\.json: no such file"):
        read_datalist(tmp_path)
    write_json(tmp_path, {"name": "mine"})
    with pytest.raises(InputError, match="Set dataset_layout to one of amos, nnunet_raw, msd, brats"):
        read_datalist(tmp_path)
    with pytest.raises(InputError, match="dataset_layout is 'nnunet'; expected one of amos, nnunet_raw, msd, brats"):
        read_datalist(tmp_path, "nnunet")


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
